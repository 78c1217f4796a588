"""Seeded English-like text: the same for every saver, about as compressible as prose.

Words are made of syllables; the short ones are the frequent ones, and a word's
frequency falls with its rank as in a natural language (Zipf's law). Repeating one
sentence, or drawing random letters, would flatter or punish a saver that compresses.
"""

import random
from itertools import accumulate

ONSETS = ("", "b", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "sh", "st", "t",
          "th", "tr", "w")  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou")
CODAS = ("", "", "", "d", "l", "m", "n", "nd", "ng", "r", "s", "st", "t")
VOCABULARY = 2_000


class Text:
    """A stream of text. Two streams of one seed say the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        words: set[str] = set()
        while len(words) < VOCABULARY:
            syllables = self.random.choice((1, 1, 2, 2, 2, 3, 3, 4))
            words.add("".join(self._syllable() for _ in range(syllables)))
        # By length, then by name: the order of a set of strings differs between processes.
        self._words = sorted(words, key=lambda word: (len(word), word))
        self._weights = list(accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))

    def _syllable(self) -> str:
        return "".join(self.random.choice(part) for part in (ONSETS, VOWELS, CODAS))

    def say(self, size: int) -> str:
        """Exactly `size` characters, each of them one byte of UTF-8."""
        # Enough even if each word were one letter and its space.
        words = self.random.choices(self._words, cum_weights=self._weights, k=size // 2 + 1)
        return " ".join(words)[:size]

    def mixed(self, size: int, block: int = 4096) -> bytes:
        """Exactly `size` bytes: blocks of prose and of random bytes in turn."""
        blocks = []
        while len(blocks) * block < size:
            prose = len(blocks) % 2 == 0
            blocks.append(self.say(block).encode() if prose else self.random.randbytes(block))
        return b"".join(blocks)[:size]
