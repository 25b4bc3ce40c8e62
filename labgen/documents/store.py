"""From a leaf to its documents. Clones, listings and conversions are kept below one folder and used again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

from labgen.config.drawing import DocumentsConfig
from labgen.documents.address import address_problem
from labgen.documents.beside import list_beside, read_beside
from labgen.documents.convert import ConverterMissing
from labgen.documents.file_patterns import MAX_PATTERNS, match_files, pattern_problem
from labgen.documents.remarks import without_text
from labgen.documents.repository import Repository, check_sizes
from labgen.documents.text import is_document, is_markdown, read_text
from labgen.errors import ConfigError, TaxonomyError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Document, DocumentSource, Leaf
from labgen.taxonomy.names import unseen_in_name
from labgen.text.printable import shown

_COMMIT = re.compile(r"[0-9a-fA-F]{4,40}|[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class AtHand:
    """Documents with text in them that are on this machine, and in words what is wrong with others of the leaf."""

    documents: tuple[Document, ...] = ()
    problems: tuple[str, ...] = ()


class DocumentStore:
    """Documents of leaves, fetched once per address and commit, across runs and processes.

    Threads may share a store. One store tries an address that can't be reached only once.
    """

    def __init__(self, folder: Path, config: DocumentsConfig) -> None:
        """Keep what is fetched below `folder` (made when first needed), within the limits of `config`."""
        self._folder = folder
        self._config = config
        self._repositories: dict[str, Repository] = {}
        self._lock = threading.RLock()

    def fetch(self, leaf: Leaf) -> tuple[Document, ...]:
        """All documents that a knowledge leaf's patterns match, each once, in path order; () for a leaf without any.

        Those without text are among them, as long as one has some.

        Goes to the network only for what is not on this machine yet. Each document carries the address as written and
        the full hash of the commit, or of its own content where it lies beside the leaf.

        Raises:
            TaxonomyError: the documents can't be had or read; `path/to/qna.yaml:LINE: ` and what to do.
            ConfigError: the folder can't be written.
        """
        source = leaf.document
        if source is None:
            return ()
        try:
            with self._lock:
                documents = self._beside(leaf, source) if source.beside_leaf else self._from_git(source)
            if not any(document.text.strip() for document in documents):
                raise TaxonomyError(without_text([document.file for document in documents]))
            return documents
        except TaxonomyError as error:
            raise TaxonomyError(f"{shown(leaf.path)}/{leaf.file.name}:{source.line}: {error}") from None
        except OSError as error:
            raise ConfigError(
                f"{self._folder}: documents can't be kept there ({error.strerror or error}). "
                "Free space, or choose another folder with --work."
            ) from None

    def newest_commit(self, repo: str) -> str:
        """The full hash of a repository's newest commit. Raises: TaxonomyError: a bad address, or it can't be asked."""
        if problem := address_problem(repo, allow_local=self._config.allow_local_repos):
            raise TaxonomyError(problem)
        return self._repository(repo).newest_commit()

    def at_hand(self, leaf: Leaf) -> AtHand:
        """A leaf's documents as far as they are on this machine, without the network.

        Files that can't be read, or hold no text, are told and stand in nobody's way; those of a kind whose converter
        is not installed are passed over.
        """
        source = leaf.document
        if source is None:
            return AtHand()
        try:
            with self._lock:
                return self._local_beside(leaf, source) if source.beside_leaf else self._local_from_git(source)
        except TaxonomyError as error:
            return AtHand((), (str(error),))
        except OSError:
            return AtHand()  # the work folder can't be written: a build says so

    def cached_problem(self, leaf: Leaf) -> str | None:
        """What can be said against a leaf's documents without the network and without git, in plain words.

        A wrong address or commit always; patterns that match nothing (each, even where others match) only where the
        documents lie beside the leaf or their commit is on this machine already. None: nothing is known against them.
        """
        source = leaf.document
        if source is None:
            return None
        try:
            if source.beside_leaf:
                files: dict[str, bool] = dict.fromkeys(list_beside(leaf.file.parent), True)
            else:
                self._judge(source)
                listing = self._repository(source.repo).cached(source.commit)
                if listing is None:
                    return " ".join(filter(None, map(pattern_problem, source.patterns))) or None
                files = {path: bool(blob) for path, blob in listing.files.items()}
            _matching(source, files)
        except TaxonomyError as error:
            return str(error)
        problems = [_pattern_without_files(pattern, files) for pattern in source.patterns]
        return " ".join(filter(None, problems)) or None

    def _judge(self, source: DocumentSource) -> None:
        problem = address_problem(source.repo, allow_local=self._config.allow_local_repos)
        if problem is None and not _COMMIT.fullmatch(source.commit):
            problem = (
                f"`commit: {shown(source.commit)}` is not a commit's hash (4 to 40 hexadecimal digits, or 64). "
                "Branches and tags move; write the full hash that `git rev-parse` prints for yours."
            )
        if problem is not None:
            raise TaxonomyError(problem)

    def _from_git(self, source: DocumentSource) -> tuple[Document, ...]:
        self._judge(source)
        repository = self._repository(source.repo)
        listing = repository.listing(source.commit)
        paths = _matching(source, {path: bool(blob) for path, blob in listing.files.items()})
        contents = repository.read(listing, paths)
        return self._documents(source, ((listing.commit, path, data) for path, data in contents.items()))

    def _beside(self, leaf: Leaf, source: DocumentSource) -> tuple[Document, ...]:
        folder = leaf.file.parent
        sizes = list_beside(folder)
        paths = _matching(source, dict.fromkeys(sizes, True))
        check_sizes({path: sizes[path] for path in paths}, self._config)
        contents = ((path, read_beside(folder, path, max_bytes=self._config.max_file_bytes)) for path in paths)
        return self._documents(
            source, ((f"sha256:{hashlib.sha256(data).hexdigest()}", path, data) for path, data in contents)
        )

    def _local_beside(self, leaf: Leaf, source: DocumentSource) -> AtHand:
        folder = leaf.file.parent
        sizes = list_beside(folder)
        paths = _matching(source, dict.fromkeys(sizes, True))
        check_sizes({path: sizes[path] for path in paths}, self._config)
        limit = self._config.max_file_bytes
        return self._readable(source, "", ((path, read_beside(folder, path, max_bytes=limit)) for path in paths))

    def _local_from_git(self, source: DocumentSource) -> AtHand:
        self._judge(source)
        repository = self._repository(source.repo)
        listing = repository.cached(source.commit)
        if listing is None:
            return AtHand()
        paths = _matching(source, {path: bool(blob) for path, blob in listing.files.items()})
        return self._readable(source, listing.commit, repository.read(listing, paths).items())

    def _readable(self, source: DocumentSource, commit: str, contents: Iterable[tuple[str, bytes]]) -> AtHand:
        documents, problems = [], []
        for path, data in contents:
            try:
                documents.append(self._document(source.repo, commit, path, data))
            except ConverterMissing:
                continue
            except TaxonomyError as error:
                problems.append(str(error))
        empty = [document.file for document in documents if not document.text.strip()]
        if empty:
            problems.append(without_text(empty))
        return AtHand(tuple(document for document in documents if document.text.strip()), tuple(problems))

    def _documents(self, source: DocumentSource, contents: Iterable[tuple[str, str, bytes]]) -> tuple[Document, ...]:
        """Of commit, path and content of each; together no more text than a leaf may have."""
        documents, chars = [], 0
        for commit, path, data in contents:
            documents.append(self._document(source.repo, commit, path, data))
            chars += len(documents[-1].text)
            if chars > self._config.max_total_bytes:
                raise TaxonomyError(
                    f"the documents up to `{shown(path)}` come to {chars} characters of text, more than the "
                    f"{self._config.max_total_bytes} that a leaf may have (documents.max_total_bytes). Narrow the "
                    "patterns."
                )
        return tuple(documents)

    def _document(self, repo: str, commit: str, path: str, data: bytes) -> Document:
        text = read_text(
            path,
            data,
            cache=self._folder / "converted",
            timeout_sec=self._config.timeout_sec,
            most_bytes=self._config.max_file_bytes,
        )
        return Document(repo=repo, commit=commit, file=path, text=text, markdown=is_markdown(path))

    def _repository(self, repo: str) -> Repository:
        if repo not in self._repositories:
            self._repositories[repo] = Repository(repo, self._folder, self._config)
        return self._repositories[repo]


def _matching(source: DocumentSource, files: dict[str, bool]) -> list[str]:
    """Paths of the documents that the patterns match, sorted; `files` says of each path whether it is a regular file.

    Raises: TaxonomyError: none at all.
    """
    if not 0 < len(source.patterns) <= MAX_PATTERNS:
        raise TaxonomyError(f"`patterns` must name 1 to {MAX_PATTERNS} patterns, here are {len(source.patterns)}.")
    outside = [pattern for pattern in source.patterns if ".." in pattern.split("/")]
    if outside:
        raise TaxonomyError(str(pattern_problem(outside[0])))
    matched = {path for pattern in source.patterns for path in match_files(pattern, files)}
    documents = sorted(path for path in matched if files[path] and is_document(path))
    for path in documents:
        if problem := unseen_in_name(path):
            raise TaxonomyError(f"the path of the document `{shown(path, 80)}` {problem}. Rename it.")
    if documents:
        return documents
    if any(files[path] for path in matched):
        raise TaxonomyError(
            f"`patterns` match only files that are not documents ({_some(matched)}). Name Markdown or text files."
        )
    if matched:
        raise TaxonomyError(
            f"`patterns` match only symbolic links ({_some(matched)}), which are never followed. "
            "Name the files themselves."
        )
    raise TaxonomyError(str(_pattern_without_files(source.patterns[0], files)))


def _pattern_without_files(pattern: str, files: dict[str, bool]) -> str | None:
    """Why a pattern matches nothing and what to write instead, or None where it matches a file."""
    said = f"pattern `{shown(pattern)}` matches no file"
    if pattern.startswith("/"):
        said, pattern = f"{said}, since it starts with `/`", pattern.lstrip("/")
        if match_files(pattern, files):
            return f"{said}. Write `{shown(pattern)}`."
    elif match_files(pattern, files):
        return None
    folder = pattern.strip("/") + "/"
    if any(path.startswith(folder) for path in files):
        return f"{said}, it is a folder. Write `{shown(folder)}**`."
    problem = pattern_problem(pattern)
    if problem is not None:
        return problem
    near = _nearest(pattern, files)
    if near is not None:
        return f"{said}. Did you mean `{shown(near)}`?"
    return f"{said}. Patterns count from the top of the repository, or of the leaf's folder for `repo: .`."


def _nearest(pattern: str, files: dict[str, bool]) -> str | None:
    """The document elsewhere whose name the pattern's last part matches, with the path that is most like it."""
    name = pattern.rsplit("/", 1)[-1].replace(".*", "*").replace("**", "*")
    if len(name.strip("*")) < len(".md"):
        return None
    found = [path for path in match_files(f"**/{name}", files) if is_document(path)][:1000]
    return max(found, key=lambda path: SequenceMatcher(None, pattern, path).ratio(), default=None)


def _some(paths: Iterable[str]) -> str:
    names = sorted(paths)
    return ", ".join(shown(name, 80) for name in names[:3]) + (", ..." if len(names) > 3 else "")
