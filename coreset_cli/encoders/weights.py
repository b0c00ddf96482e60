"""Weights: files that are read without running code, and whether others can be had at all."""

import os
import pickle
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch, WeightsUnavailable
from coreset_cli.io.access import read_errors

__all__ = [
    "HUB",
    "Inquiry",
    "cached",
    "download",
    "file_sha256",
    "load_state",
    "loading",
]

PATIENCE = 3.0
"""Seconds to wait for a server that may not be there."""

HUB = os.environ.get("HF_ENDPOINT", "https://huggingface.co")

_ON = {"1", "ON", "YES", "TRUE"}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        FileMissing: it cannot be read.
    """
    with read_errors(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def cached(repository: str, names: Sequence[str]) -> Path | None:
    """The first of some files of a repository of Hugging Face that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


class Inquiry:
    """Asks whether a server answers, while something else goes on.

    Args:
        server: to ask.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self._since = time.monotonic()
        self._outcome: list[str | None] = []
        self._asking: threading.Thread | None = None
        if server == HUB and os.environ.get("HF_HUB_OFFLINE", "").upper() in _ON:
            self._outcome.append("HF_HUB_OFFLINE is set")
            return
        # On a thread: looking up a name has no time limit of its own.
        self._asking = threading.Thread(
            target=lambda: self._outcome.append(_ask(server)), daemon=True
        )
        self._asking.start()

    def require_answer(self, encoder: str, remedy: str) -> None:
        """Refuse to wait for weights that will not come.

        Args:
            encoder: what they are of, for the message.
            remedy: what to do instead.

        Raises:
            WeightsUnavailable: no answer within seconds of asking, or the user is offline.
        """
        if self._asking is not None:
            self._asking.join(max(0.0, self._since + PATIENCE - time.monotonic()))
        late = f"{self.server} does not answer within {PATIENCE:.0f} s"
        reason = self._outcome[0] if self._outcome else late
        if reason is not None:
            raise WeightsUnavailable(
                f"the weights of {encoder} are not on this machine, and {reason}; {remedy}"
            )


def download(repository: str, names: Sequence[str], encoder: str, remedy: str) -> Path:
    """The first of some files that a repository of Hugging Face has, from the cache or the network.

    Raises:
        WeightsUnavailable: none could be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    found = cached(repository, names)
    failure: Exception | None = None
    for name in names if found is None else ():
        try:
            return Path(hf_hub_download(repository, name))
        except (HfHubHTTPError, OSError, ValueError) as error:
            failure = error
    if found is None:
        raise WeightsUnavailable(
            f"the weights of {encoder} could not be downloaded ({_first_line(failure)}); {remedy}"
        ) from failure
    return found


@contextmanager
def loading(path: Path, model: str) -> Iterator[None]:
    """Translate what libraries say of weights that are damaged or of another model.

    Raises:
        ArtifactIncomplete: damaged, or a file that would have to run code.
        SchemaMismatch: of another model.
    """
    from safetensors import SafetensorError

    try:
        with read_errors(path):
            yield
    except (pickle.UnpicklingError, EOFError, SafetensorError) as error:
        raise ArtifactIncomplete(
            f"{path} holds no weights that can be read safely ({_first_line(error)}); save them "
            "as a state_dict or as .safetensors"
        ) from error
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise SchemaMismatch(
            f"{path} does not hold the weights of {model}: {_first_line(error)}; name the model "
            "that they were saved from"
        ) from error


def load_state(path: Path, model: str) -> dict[str, Any]:
    """Tensors by name, from `.safetensors` or a file of torch; code in it is never run.

    Args:
        path: the file.
        model: what it should be of, for messages.

    Raises:
        ArtifactIncomplete: damaged, or holds more than tensors.
        SchemaMismatch: no tensors by name.
    """
    import torch
    from safetensors.torch import load_file

    with loading(path, model):
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not any(isinstance(v, torch.Tensor) for v in found.values()):
        raise SchemaMismatch(f"{path} holds no tensors by name; save a state_dict")
    return {name.removeprefix("module."): value for name, value in found.items()}


def _ask(server: str) -> str | None:
    request = urllib.request.Request(server, method="HEAD")
    try:
        # An opener of its own: the shared one keeps the proxies of its first use for ever.
        with urllib.request.build_opener().open(request, timeout=PATIENCE):
            return None
    except urllib.error.HTTPError:
        return None  # it answers
    except (OSError, ValueError) as error:
        return f"{server} cannot be reached ({_first_line(getattr(error, 'reason', error))})"


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:160] or type(error).__name__
