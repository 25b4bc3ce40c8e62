"""Documents from git repositories: fetched once, resolved, kept, and read back as they were committed."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cheese import CHEESE, HTTPS

from labgen.documents.store import AtHand
from labgen.errors import ConfigError, TaxonomyError


def test_a_full_commit_gives_the_files_as_they_were_then(origin, make_leaf, make_store):
    """The document is the one of the commit, not of the branch's tip."""
    then = origin.commit({"cheese.md": CHEESE})
    origin.commit({"cheese.md": "# Changed\n"})
    (document,) = make_store().fetch(make_leaf(origin.url, then))
    assert (document.file, document.text, document.markdown) == ("cheese.md", CHEESE, True)
    assert (document.repo, document.commit) == (origin.url, then)


def test_a_repository_with_hashes_of_64_digits_is_read(origin, git_home, make_leaf, make_store, tmp_path):
    """A SHA-256 commit is a commit; a hash of the other kind is told as what it is, and spoils nothing."""
    folder = tmp_path / "long"
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", "--object-format=sha256", str(folder)], check=True)
    (folder / "cheese.md").write_text(CHEESE, encoding="utf-8")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    full = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    store, url = make_store(), f"file://{folder}"
    assert "40 or 64 digits" in _message(store, make_leaf(url, full[:40]))
    (document,) = store.fetch(make_leaf(url, full))
    assert len(full) == 64 and (document.text, document.commit) == (CHEESE, full)
    assert make_store().fetch(make_leaf(url, full)) == (document,)
    assert "40 or 64 digits" in _message(store, make_leaf(origin.url, "0" * 64)) or origin.commit({"cheese.md": CHEESE})


def test_an_abbreviated_commit_is_resolved(origin, make_leaf, make_store):
    """Rows carry the full hash whatever the leaf wrote."""
    full = origin.commit({"cheese.md": CHEESE})
    (document,) = make_store().fetch(make_leaf(origin.url, full[:7].upper()))
    assert document.commit == full


def test_a_full_hash_needs_a_shallow_clone_only_and_a_short_one_a_whole_one(origin, make_leaf, make_store, tmp_path):
    """Clones hold what the leaf's commit needs."""
    origin.commit({"old.md": CHEESE})
    full = origin.commit({"cheese.md": CHEESE})
    make_store(tmp_path / "a").fetch(make_leaf(origin.url, full))
    make_store(tmp_path / "b").fetch(make_leaf(origin.url, full[:8]))
    (shallow,), (whole,) = (tmp_path / "a").glob("*/*.git"), (tmp_path / "b").glob("*/*.git")
    count = ["git", "rev-list", "--count", full]
    assert subprocess.check_output(count, cwd=shallow).strip() == b"1"
    assert subprocess.check_output(count, cwd=whole).strip() == b"2"


def test_a_commit_on_no_branch_is_fetched_by_its_full_hash(origin, make_leaf, make_store):
    """A commit that was force-pushed away can still be had from a server that gives it out."""
    lost = origin.commit({"cheese.md": CHEESE})
    origin.git("commit", "-q", "--amend", "-m", "again")
    (document,) = make_store().fetch(make_leaf(origin.url, lost))
    assert document.commit == lost


def test_a_server_that_gives_out_no_single_commits_is_cloned_whole(origin, make_leaf, make_store, tmp_path):
    """Falls back where a full hash may not be asked for."""
    full = origin.commit({"cheese.md": CHEESE})
    origin.commit({"other.md": CHEESE})
    with (tmp_path / "home" / ".gitconfig").open("a") as file:
        file.write("[protocol]\n\tversion = 0\n")
    (document,) = make_store().fetch(make_leaf(origin.url, full, "cheese.md"))
    assert document.commit == full


def test_a_mirror_over_plain_http_is_read(origin, redirect, make_leaf, make_store):
    """The user's redirection may lead to a server of their own that only hands out files."""
    full = origin.commit({"cheese.md": CHEESE})
    origin.git("update-server-info")
    handler = functools.partial(QuietHandler, directory=str(origin.path / ".git"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        redirect(f"http://127.0.0.1:{server.server_port}/", f"{HTTPS}/")
        store = make_store(allow_local_repos=False)
        try:
            assert store.fetch(make_leaf(f"{HTTPS}/", full))[0].text == CHEESE
            assert "can't be fetched" in _message(store, make_leaf(f"{HTTPS}/other", full))
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


def test_what_was_fetched_needs_neither_network_nor_the_origin_again(origin, make_leaf, make_store):
    """A second run works from the work folder alone, for full and for abbreviated commits."""
    full = origin.commit({"cheese.md": CHEESE})
    leaves = [make_leaf(origin.url, full), make_leaf(origin.url, full[:7])]
    first = [make_store().fetch(leaf) for leaf in leaves]
    shutil.rmtree(origin.path)
    assert [make_store().fetch(leaf) for leaf in leaves] == first


def test_leaves_share_a_clone_with_and_without_dot_git(origin, redirect, make_leaf, make_store, tmp_path):
    """The same repository is fetched once, and each row carries the address as its leaf wrote it."""
    full = origin.commit({"cheese.md": CHEESE})
    redirect(origin.url, f"{HTTPS}.git")
    redirect(origin.url, HTTPS)
    store = make_store(allow_local_repos=False)
    addresses = [HTTPS, f"{HTTPS}.git", f"{HTTPS}/"]
    documents = [store.fetch(make_leaf(address, full))[0] for address in addresses]
    assert [document.repo for document in documents] == addresses
    assert len(list((tmp_path / "documents").glob("*/shallow.git"))) == 1


@pytest.mark.parametrize(
    "address", [HTTPS, "ssh://git@docs.example.org/team/manual", "git@docs.example.org:team/manual"]
)
def test_the_users_own_redirection_is_trusted(address, origin, redirect, make_leaf, make_store):
    """`insteadOf` to a local mirror works though leaves themselves may not name local repositories."""
    full = origin.commit({"cheese.md": CHEESE})
    redirect(origin.url, address)
    (document,) = make_store(allow_local_repos=False).fetch(make_leaf(address, full))
    assert (document.repo, document.commit) == (address, full)


def test_redirection_by_environment_is_trusted_too(origin, monkeypatch, make_leaf, make_store):
    """`GIT_CONFIG_COUNT` is part of the user's configuration."""
    full = origin.commit({"cheese.md": CHEESE})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{origin.url}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", HTTPS)
    assert make_store(allow_local_repos=False).fetch(make_leaf(HTTPS, full))


def test_it_works_inside_a_git_hook(origin, monkeypatch, make_leaf, make_store, tmp_path):
    """Variables that git sets for a hook of another repository don't reach our clones."""
    full = origin.commit({"cheese.md": CHEESE})
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    for commit in (full, full[:7]):
        assert make_store(tmp_path / commit).fetch(make_leaf(origin.url, commit))[0].commit == full
    assert not (tmp_path / "elsewhere").exists()


def test_documents_come_once_each_in_path_order(origin, make_leaf, make_store):
    """Overlapping patterns don't repeat a file; files that are not documents are left out."""
    full = origin.commit({"b.md": CHEESE, "a/one.txt": "One.", "a/two.md": CHEESE, "picture.png": b"\x89PNG"})
    documents = make_store().fetch(make_leaf(origin.url, full, "*", "b.*", "a/**", "nothing*"))
    assert [document.file for document in documents] == ["a/one.txt", "a/two.md", "b.md"]
    assert [document.markdown for document in documents] == [False, True, True]


def test_names_in_any_script_are_found(origin, make_leaf, make_store):
    """Spaces, umlauts in either spelling and CJK."""
    full = origin.commit({"käse und brot.md": CHEESE, "料理/チーズ.md": CHEESE})
    documents = make_store().fetch(make_leaf(origin.url, full, "ka\u0308se*.md", "料理/*.md"))
    assert [document.file for document in documents] == ["käse und brot.md", "料理/チーズ.md"]


def _message(store, leaf) -> str:
    with pytest.raises(TaxonomyError) as caught:
        store.fetch(leaf)
    message = str(caught.value)
    assert message.startswith("knowledge/food/cheese/qna.yaml:12: ")
    assert "\n" not in message
    return message


def test_an_unknown_commit_is_named(origin, make_leaf, make_store):
    """Full or abbreviated: which commit, of what, and where to look."""
    origin.commit({"cheese.md": CHEESE})
    assert "there is no commit " + "0" * 40 in _message(make_store(), make_leaf(origin.url, "0" * 40))
    assert "starts with 0000000" in _message(make_store(), make_leaf(origin.url, "0" * 7))


def test_a_hash_of_something_else_is_no_commit(origin, make_leaf, make_store):
    """A tree's hash, given in full, is said to be one."""
    full = origin.commit({"cheese.md": CHEESE})
    tree = origin.git("rev-parse", f"{full}^{{tree}}")
    assert "a tree" in _message(make_store(), make_leaf(origin.url, tree))


def test_an_ambiguous_commit_names_those_it_could_be(origin, make_leaf, make_store):
    """Two commits that start alike: both are listed."""
    seen: dict[str, str] = {}
    tree = origin.git("write-tree")
    for number in range(3000):
        # The hash of a commit can be had without writing it; only the pair is written.
        body = f"tree {tree}\nauthor A <a@b> {number} +0000\ncommitter A <a@b> {number} +0000\n\nx\n".encode()
        import hashlib

        full = hashlib.sha1(b"commit %d\0" % len(body) + body).hexdigest()
        if full[:4] in seen:
            other, first = seen[full[:4]], body
            break
        seen[full[:4]] = body
    hashes = [origin.git("hash-object", "-t", "commit", "-w", "--stdin", data=each) for each in (other, first)]
    for index, each in enumerate(hashes):
        origin.git("update-ref", f"refs/heads/b{index}", each)
    message = _message(make_store(), make_leaf(origin.url, hashes[0][:4]))
    assert all(each in message for each in hashes)
    assert "full hash" in message


def test_a_branch_that_looks_like_a_commit_is_not_taken_for_one(origin, make_leaf, make_store):
    """A hostile branch name does not stand in for the commit that its name abbreviates."""
    good = origin.commit({"cheese.md": CHEESE})
    bad = origin.commit({"cheese.md": "Something else."})
    origin.git("update-ref", f"refs/heads/{good[:7]}", bad)
    assert make_store().fetch(make_leaf(origin.url, good[:7]))[0].commit == good


@pytest.mark.parametrize("commit", ["main", "", "HEAD", "abc", "0" * 41, "0" * 63, "--upload-pack=touch x", "a b c d"])
def test_only_hashes_are_commits(commit, origin, make_leaf, make_store):
    """Branches and tags move, so a row could not cite them."""
    origin.commit({"cheese.md": CHEESE})
    assert "hash" in _message(make_store(), make_leaf(origin.url, commit))


def test_an_unreachable_address_is_tried_once_a_run(origin, make_leaf, make_store, tmp_path):
    """Not once for each of a hundred leaves."""
    log = tmp_path / "tries"
    helper = tmp_path / "ssh"
    helper.write_text(f"#!/bin/sh\necho tried >> {log}\necho no route to host >&2\nexit 255\n")
    helper.chmod(0o755)
    with (tmp_path / "home" / ".gitconfig").open("a") as file:
        file.write(f"[core]\n\tsshCommand = {helper}\n")
    store = make_store()
    messages = [_message(store, make_leaf("git@docs.example.org:team/manual", f"{n}" * 40)) for n in range(3)]
    assert all("can't be fetched" in message and "no route to host" in message for message in messages)
    assert log.read_text().count("tried") == 1


def test_patterns_that_match_nothing_say_what_would(origin, make_leaf, make_store):
    """A folder, a file elsewhere, a leading slash: each with the pattern to write."""
    full = origin.commit({"docs/cheese.md": CHEESE})
    store = make_store()
    assert "Write `docs/**`" in _message(store, make_leaf(origin.url, full, "docs"))
    assert "Did you mean `docs/cheese.md`" in _message(store, make_leaf(origin.url, full, "manual/cheese*.md"))
    assert "Write `docs/*.md`" in _message(store, make_leaf(origin.url, full, "/docs/*.md"))
    assert "matches no file" in _message(store, make_leaf(origin.url, full, "*.pdf"))


def test_files_without_text_are_no_documents(origin, make_leaf, make_store):
    """Empty documents are said to be empty rather than yielding nothing later."""
    full = origin.commit({"cheese.md": " \n\n"})
    assert "no text" in _message(make_store(), make_leaf(origin.url, full))


def test_a_damaged_cache_is_made_anew(origin, make_leaf, make_store, tmp_path):
    """Half a listing, or a clone that somebody deleted, is fetched again."""
    full = origin.commit({"cheese.md": CHEESE})
    leaf = make_leaf(origin.url, full)
    first = make_store().fetch(leaf)
    (listing,) = (tmp_path / "documents").glob("*/*.json")
    listing.write_text('{"version": 1, "comm')
    assert make_store().fetch(leaf) == first
    (clone,) = (tmp_path / "documents").glob("*/shallow.git")
    shutil.rmtree(clone)
    assert make_store().fetch(leaf) == first


def test_leftovers_of_a_killed_git_do_not_stand_in_the_way(origin, make_leaf, make_store, tmp_path):
    """Lock files and half packs of a run that ended with `kill -9` are cleared away."""
    leaf = make_leaf(origin.url, origin.commit({"cheese.md": CHEESE}))
    make_store().fetch(leaf)
    (clone,) = (tmp_path / "documents").glob("*/shallow.git")
    for name in ("shallow.lock", "packed-refs.lock", "HEAD.lock"):
        (clone / name).write_text("")
    (clone / "objects" / "pack" / "tmp_pack_x").write_text("half")
    newer = make_leaf(origin.url, origin.commit({"cheese.md": "# New\n"}))
    assert make_store().fetch(newer)[0].text == "# New\n"
    assert not list(clone.rglob("tmp_pack_*"))


def test_processes_that_need_the_same_repository_fetch_it_once(origin, tmp_path):
    """The others wait for the first and use what it fetched."""
    full = origin.commit({"cheese.md": CHEESE})
    hook, log = tmp_path / "count", tmp_path / "fetches"
    hook.write_text(f'#!/bin/sh\necho once >> {log}\nexec "$@"\n')
    hook.chmod(0o755)
    with (tmp_path / "home" / ".gitconfig").open("a") as file:
        file.write(f"[uploadpack]\n\tpackObjectsHook = {hook}\n")
    code = (
        "import sys; from pathlib import Path; from labgen.config.drawing import DocumentsConfig\n"
        "from labgen.documents.store import DocumentStore; from labgen.records import *\n"
        "leaf = Leaf('k', 'knowledge', Path('qna.yaml'), 3, '', '', '', (),"
        " DocumentSource(sys.argv[2], sys.argv[3], ('*.md',)), '')\n"
        "store = DocumentStore(Path(sys.argv[1]), DocumentsConfig(allow_local_repos=True))\n"
        "print(len(store.fetch(leaf)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "shared"), origin.url, full]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in running] == [b"1"] * 3
    assert log.read_text().count("once") == 1


def test_a_folder_that_cannot_be_written_is_a_matter_of_configuration(origin, make_leaf, make_store, tmp_path):
    """A file where the work folder should be: the message names it and the option."""
    full = origin.commit({"cheese.md": CHEESE})
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--work"):
        make_store(tmp_path / "file" / "documents").fetch(make_leaf(origin.url, full))


def test_a_missing_git_is_named(origin, make_leaf, make_store, tmp_path):
    """Without the program `git` the message says to install it, and leaves without repositories still work."""
    full = origin.commit({"cheese.md": CHEESE})
    code = (
        "import sys; from pathlib import Path; from labgen.config.drawing import DocumentsConfig\n"
        "from labgen.documents.store import DocumentStore; from labgen.records import *\n"
        "leaf = Leaf('k', 'knowledge', Path('qna.yaml'), 3, '', '', '', (),"
        " DocumentSource(sys.argv[1], sys.argv[2], ('*.md',)), '')\n"
        "DocumentStore(Path('store'), DocumentsConfig(allow_local_repos=True)).fetch(leaf)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, origin.url, full], env={"PATH": "/nowhere"}, capture_output=True, cwd=tmp_path
    )
    assert b"TaxonomyError: k/qna.yaml:1: the program `git` is not installed" in done.stderr


def test_what_is_known_of_documents_is_told_without_fetching(origin, make_leaf, make_store, tmp_path):
    """Nothing is said of documents that are not here; once they are, each pattern without a file is named."""
    full = origin.commit({"cheese.md": CHEESE})
    leaf = make_leaf(origin.url, full[:7], "*.md", "missing.md", "gone/*.md")
    assert make_store().cached_problem(leaf) is None
    assert not (tmp_path / "documents").exists()
    make_store().fetch(leaf)
    shutil.rmtree(origin.path)
    problem = make_store().cached_problem(leaf)
    assert problem is not None
    assert "missing.md" in problem
    assert "gone/*.md" in problem
    assert make_store().cached_problem(make_leaf(origin.url, full, "*.md")) is None
    assert make_store().cached_problem(make_leaf("ftp://x/y", full)) is not None


def test_a_skill_has_no_documents(make_leaf, make_store):
    """Leaves without `document` give none."""
    import dataclasses

    leaf = dataclasses.replace(make_leaf(".", ""), document=None)
    assert make_store().fetch(leaf) == ()
    assert make_store().cached_problem(leaf) is None


def test_documents_beside_the_leaf_carry_a_hash_of_their_content(make_leaf, make_store):
    """The commit that the leaf writes is ignored; leaves and attributions are not documents."""
    import hashlib

    leaf = make_leaf(".", "whatever", "**")
    folder: Path = leaf.file.parent
    (folder / "docs").mkdir()
    for name in ("cheese.md", "docs/more.txt", "qna.yaml", "attribution.txt", ".hidden.md"):
        (folder / name).write_text(CHEESE)
    documents = make_store().fetch(leaf)
    assert [document.file for document in documents] == ["cheese.md", "docs/more.txt"]
    assert {document.commit for document in documents} == {"sha256:" + hashlib.sha256(CHEESE.encode()).hexdigest()}
    assert {document.repo for document in documents} == {"."}
    assert make_store().cached_problem(leaf) is None
    assert "matches no file" in str(make_store().cached_problem(make_leaf(".", "", "*.pdf")))


def test_what_is_at_hand_is_read_without_the_origin(origin, make_leaf, make_store):
    """Nothing before a commit was fetched; then its documents, and what is wrong with those that can't be read."""
    full = origin.commit(
        {"a.md": CHEESE, "b.md": b"caf\xe9", "c.md": " \n", "d.md": "version https://git-lfs.github.com/spec/v1"}
    )
    leaf, good = make_leaf(origin.url, full), make_leaf(origin.url, full, "[ac].md")
    assert make_store().at_hand(leaf) == AtHand()
    make_store().fetch(good)
    shutil.rmtree(origin.path)
    found = make_store().at_hand(leaf)
    assert [(each.file, each.text) for each in found.documents] == [("a.md", CHEESE)]
    utf8, lfs, empty = found.problems
    assert "`b.md` is not UTF-8" in utf8 and "`d.md` is kept in Git LFS" in lfs and "no text is in `c.md`" in empty


def test_what_lies_beside_a_leaf_is_at_hand(make_leaf, make_store):
    """Too large is said too."""
    leaf = make_leaf(".", "")
    (leaf.file.parent / "a.md").write_text(CHEESE)
    assert [each.text for each in make_store().at_hand(leaf).documents] == [CHEESE]
    (problem,) = make_store(max_file_bytes=9).at_hand(leaf).problems
    assert "documents.max_file_bytes" in problem


def test_without_any_text_the_files_are_named(origin, make_leaf, make_store):
    """A leaf whose documents are all empty can't be used."""
    full = origin.commit({"a.md": "", "b.md": " \n"})
    assert "no text is in `a.md`, `b.md`" in _message(make_store(), make_leaf(origin.url, full))
