"""The sound of a spoken answer: a tenth of a second of a tone, the same for every text.

In goes the format that a request names, out come bytes. ``pcm16`` is raw samples, as the API has it: 24 kHz, 16 bits,
little-endian, mono. Every other format gets a WAV file, whatever it is called: compressing is no business of an echo.
"""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["speech"]

_RATE = 24_000  # samples a second
_SAMPLES = _RATE // 10
_PERIOD = 60  # samples: 400 Hz
_LOUDNESS = 100  # a step from one sample to the next; a triangle, so that no platform's sine rounds otherwise


def speech(audio_format: Any) -> bytes:
    """The sound in this format."""
    half = _PERIOD // 2
    heights = (abs(number % _PERIOD - half) - half // 2 for number in range(_SAMPLES))
    samples = struct.pack(f"<{_SAMPLES}h", *(_LOUDNESS * height for height in heights))
    return samples if audio_format == "pcm16" else _wav_header(len(samples)) + samples


def _wav_header(size: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
