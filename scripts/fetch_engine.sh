#!/usr/bin/env bash
# Fetch DynamoDB Local, AWS's own engine, from the npm package that carries it.
# The digest is pinned: a package changed under the same version is refused.
set -euo pipefail

readonly PACKAGE=amplify-dynamodb-simulator
readonly VERSION=2.9.30
readonly SHA256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TARGET=.cache/dynamodb-local

if [[ -f $TARGET/VERSION && $(<"$TARGET/VERSION") == "$VERSION" ]]; then
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "npm is missing: DynamoDB Local comes from the npm registry (apt-get install npm)" >&2
    exit 1
fi

mkdir -p .cache
work=$(mktemp -d .cache/fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "$PACKAGE@$VERSION" >/dev/null)
tarball=$work/$PACKAGE-$VERSION.tgz
if command -v sha256sum >/dev/null; then checksum=(sha256sum); else checksum=(shasum -a 256); fi
if [[ $("${checksum[@]}" <"$tarball") != "$SHA256 "* ]]; then
    echo "$PACKAGE $VERSION is not the package that was pinned: its digest differs" >&2
    exit 1
fi
tar --extract --gzip --file "$tarball" --directory "$work" package/emulator
echo "$VERSION" >"$work/package/emulator/VERSION"
rm -rf "$TARGET"
mv "$work/package/emulator" "$TARGET"
echo "DynamoDB Local is in $TARGET"
