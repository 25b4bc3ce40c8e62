"""Changed leaves, against real git repositories that each test makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labgen.errors import UsageError
from labgen.taxonomy.changes import Changes, changed_leaves, exact_pattern
from labgen.taxonomy.load import load_taxonomy
from labgen.taxonomy.path_patterns import match_path

SKILL = "compositional_skills/writing/notes"
FACTS = "knowledge/science/tides"


@pytest.fixture(autouse=True)
def _own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\n name = Somebody\n email = somebody@example.org\n[init]\n defaultBranch = main\n"
        '[protocol "file"]\n allow = always\n[commit]\n gpgsign = false\n[core]\n autocrlf = false\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *words: str, fails: bool = False) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout.strip()


def skill_text(task: str = "Shorten a note.", seeds: tuple[str, ...] = ("one", "two", "three", "four", "five")) -> str:
    examples = "".join(
        f"  - question: Shorten the note about number {seed} please, keeping its point.\n"
        f"    answer: Number {seed}, in short.\n"
        for seed in seeds
    )
    return f"version: 3\ncreated_by: somebody\ntask_description: {task}\nseed_examples:\n{examples}"


def facts_text(repo: str = ".", commit: str = "0" * 40, patterns: str = '["*.md"]') -> str:
    pairs = "".join(f"      - question: What is {n}?\n        answer: It is {n}.\n" for n in ("a", "b", "c"))
    seeds = "".join(f"  - context: Passage {n}.\n    questions_and_answers:\n{pairs}" for n in range(5))
    return (
        f"version: 3\ncreated_by: somebody\ndomain: Tides\ndocument_outline: About tides.\nseed_examples:\n{seeds}"
        f"document:\n  repo: {repo}\n  commit: '{commit}'\n  patterns: {patterns}\n"
    )


def write(root: Path, leaf: str, text: str, **files: str) -> Path:
    folder = root / leaf
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "qna.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return folder / "qna.yaml"


def commit(top: Path, words: str = "work") -> str:
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "--message", words)
    return git(top, "rev-parse", "HEAD")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A taxonomy with two leaves, committed on main, with the branch `idea` checked out."""
    top = tmp_path / "repo"
    top.mkdir()
    git(top, "init", "--quiet")
    write(top, SKILL, skill_text(), attribution_txt="Title of work: notes\n")
    write(top, FACTS, facts_text(), tides_md="# Tides\n\nThe moon pulls.\n")
    commit(top)
    git(top, "checkout", "--quiet", "-b", "idea")
    return top


def kinds(changes: Changes) -> dict[str, str]:
    return {change.path: change.kind for change in changes.leaves}


def words(changes: Changes, path: str) -> list[str]:
    return [detail.words for change in changes.leaves if change.path == path for detail in change.details]


def test_an_untouched_checkout_has_no_changes(top: Path) -> None:
    """Nothing differs, so nothing is listed, and the default base is main."""
    changes = changed_leaves(top)
    assert (changes.leaves, changes.notes, changes.base) == ((), (), "main")


@pytest.mark.parametrize("how", ["committed", "staged", "unstaged"])
def test_modified_leaves_are_found_however_far_the_work_is(top: Path, how: str) -> None:
    """Committed, staged and uncommitted edits are the same change."""
    write(top, SKILL, skill_text(task="Shorten a long note to one line."))
    if how == "committed":
        commit(top)
    elif how == "staged":
        git(top, "add", "--all")
    changes = changed_leaves(top, "main")
    assert kinds(changes) == {SKILL: "modified"}
    assert words(changes, SKILL) == ["task reworded"]
    assert changes.leaves[0].before is not None and changes.leaves[0].before.task_description == "Shorten a note."


def test_untracked_leaves_are_added_and_say_what_they_are(top: Path) -> None:
    """A leaf that git was never told of is there for labgen."""
    write(top, "foundational_skills/logic/order", skill_text())
    changes = changed_leaves(top)
    assert kinds(changes) == {"foundational_skills/logic/order": "added"}
    assert words(changes, "foundational_skills/logic/order") == ["skill, 5 seed examples"]


def test_deleted_leaves_are_named_and_not_selected(top: Path) -> None:
    """A leaf that is gone is in the list, but nothing can be built from it."""
    git(top, "rm", "--quiet", "-r", SKILL)
    changes = changed_leaves(top)
    assert (kinds(changes), changes.paths) == ({SKILL: "deleted"}, ())


def test_seeds_and_documents_are_told_in_words(top: Path) -> None:
    """Added, removed and reworded seeds are counted; a document's new commit is named with the old one."""
    write(top, FACTS, facts_text("https://example.org/docs", "a" * 40))
    base = commit(top)
    seeds = ("two", "three", "four", "five", "six", "seven")
    text = skill_text(seeds=seeds).replace("Number five, in short.", "Number five, briefly said.")
    write(top, SKILL, text)
    write(top, FACTS, facts_text("https://example.org/docs", "b" * 40, '["*.md", "more/*.md"]'))
    changes = changed_leaves(top, base)
    # "six" is close enough to the dropped "one" to count as the same example in other words.
    assert words(changes, SKILL) == ["1 seed example added", "2 seed examples reworded"]
    assert words(changes, FACTS) == [
        "documents moved to another commit: aaaaaaaaaa became bbbbbbbbbb",
        "patterns of the documents changed",
    ]


def test_seed_order_matters_and_layout_does_not(top: Path) -> None:
    """Another order of seeds changes what is drawn; comments and blank lines are told apart from that."""
    write(top, SKILL, skill_text(seeds=("two", "one", "three", "four", "five")))
    (top / FACTS / "qna.yaml").write_text("# a comment\n" + facts_text())
    changes = changed_leaves(top)
    assert words(changes, SKILL) == ["seed examples put in another order"]
    assert words(changes, FACTS) == ["only its layout, comments or keys that labgen does not read changed"]


def test_files_beside_a_leaf_are_its_change(top: Path) -> None:
    """A document and an attribution belong to the leaf that they lie beside, added, changed or removed."""
    (top / FACTS / "tides.md").write_text("# Tides\n\nThe moon and the sun pull.\n")
    (top / FACTS / "more.md").write_text("More.\n")
    (top / SKILL / "attribution.txt").unlink()
    changes = changed_leaves(top)
    assert words(changes, FACTS) == [
        "document more.md beside the leaf added",
        "document tides.md beside the leaf changed",
    ]
    assert words(changes, SKILL) == ["attribution.txt removed"]


def test_a_document_below_another_leaf_belongs_to_both(top: Path) -> None:
    """An outer leaf whose patterns reach into an inner leaf's folder changes with it."""
    write(top, FACTS, facts_text(patterns='["**/*.md"]'))
    write(top, f"{FACTS}/spring", facts_text(), spring_md="Springs.\n")
    base = commit(top)
    (top / FACTS / "spring" / "spring.md").write_text("Spring tides.\n")
    assert kinds(changed_leaves(top, base)) == {FACTS: "modified", f"{FACTS}/spring": "modified"}


def test_moved_leaves_are_one_change(top: Path) -> None:
    """A leaf that was moved, even with edits and untracked at its new place, is renamed, with its details."""
    (top / "compositional_skills/brief").mkdir()
    (top / SKILL).rename(top / "compositional_skills/brief/notes")
    write(top, "compositional_skills/brief/notes", skill_text(task="Shorten any note."))
    changes = changed_leaves(top)
    assert kinds(changes) == {"compositional_skills/brief/notes": "renamed"}
    assert changes.leaves[0].old_path == SKILL
    assert words(changes, "compositional_skills/brief/notes") == ["task reworded"]


def test_several_moved_copies_are_paired_by_their_paths(top: Path) -> None:
    """Of leaves with the same text each goes to the place that is most like its own."""
    for name in ("ab", "cd"):
        write(top, f"compositional_skills/old/{name}", skill_text("Same."))
    base = commit(top)
    (top / "compositional_skills/old").rename(top / "compositional_skills/new")
    changes = changed_leaves(top, base)
    assert {change.path: change.old_path for change in changes.leaves} == {
        f"compositional_skills/new/{name}": f"compositional_skills/old/{name}" for name in ("ab", "cd")
    }


def test_what_others_did_on_the_base_is_no_change(top: Path) -> None:
    """After main went on, and after it was merged, only the branch's own work is listed."""
    write(top, SKILL, skill_text(task="Mine."))
    commit(top, "mine")
    git(top, "checkout", "--quiet", "main")
    write(top, "compositional_skills/theirs", skill_text())
    write(top, "compositional_skills/x/theirs", skill_text())
    commit(top, "theirs")
    git(top, "checkout", "--quiet", "idea")
    assert kinds(changed_leaves(top)) == {SKILL: "modified"}
    git(top, "merge", "--quiet", "--no-edit", "main")
    assert kinds(changed_leaves(top)) == {SKILL: "modified"}


def test_an_unfinished_merge_counts_as_made(top: Path) -> None:
    """In the middle of a merge with a conflict, the other side's leaves are not the contributor's."""
    write(top, SKILL, skill_text(task="Mine."))
    commit(top, "mine")
    git(top, "checkout", "--quiet", "main")
    write(top, SKILL, skill_text(task="Theirs."))
    write(top, "compositional_skills/x/theirs", skill_text())
    commit(top, "theirs")
    git(top, "checkout", "--quiet", "idea")
    git(top, "merge", "--quiet", "main", fails=True)
    changes = changed_leaves(top)
    assert kinds(changes) == {SKILL: "modified"}
    assert words(changes, SKILL) == ["it can't be read as it is now; `labgen check` says why"]


def test_a_detached_head_is_compared_like_a_branch(top: Path) -> None:
    """As in a workflow that checked out a commit."""
    write(top, SKILL, skill_text(task="Mine."))
    git(top, "checkout", "--quiet", "--detach", commit(top))
    assert kinds(changed_leaves(top)) == {SKILL: "modified"}


def test_the_default_base_is_what_origin_calls_its_own(top: Path, tmp_path: Path) -> None:
    """A remote's own default branch goes before local names."""
    git(top, "branch", "--quiet", "trunk", "main")
    git(top, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(tmp_path, "clone", "--quiet", str(top), "clone")
    write(tmp_path / "clone", "compositional_skills/x/y", skill_text())
    changes = changed_leaves(tmp_path / "clone")
    assert (changes.base, kinds(changes)) == ("origin/trunk", {"compositional_skills/x/y": "added"})


def test_a_fork_behind_its_origin_is_told_of_it(top: Path, tmp_path: Path) -> None:
    """Work merged from where a fork came from is not the contributor's, and the note says what leaves it out."""
    git(tmp_path, "clone", "--quiet", "--bare", str(top), "fork.git")
    git(tmp_path / "fork.git", "symbolic-ref", "HEAD", "refs/heads/main")  # which a younger git remembers on fetching
    git(top, "remote", "add", "origin", str(tmp_path / "fork.git"))
    git(top, "fetch", "--quiet", "origin")
    write(top, "compositional_skills/x/theirs", skill_text())
    commit(top, "theirs")
    git(top, "update-ref", "refs/remotes/upstream/main", "HEAD")
    write(top, SKILL, skill_text(task="Mine."))
    changes = changed_leaves(top)
    assert changes.base == "origin/main" and len(changes.leaves) == 2
    assert "--base upstream/main" in changes.notes[0]
    assert kinds(changed_leaves(top, "upstream/main")) == {SKILL: "modified"}


def test_shallow_clones_say_how_to_deepen(top: Path, tmp_path: Path) -> None:
    """Where the history is too short to tell, the message has the command; then it works."""
    write(top, SKILL, skill_text(task="Mine."))
    commit(top)
    commit(top, "more")
    git(top, "checkout", "--quiet", "main")
    commit(top, "theirs")
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", "--branch=idea", top.as_uri(), "clone")
    with pytest.raises(UsageError, match="git fetch --unshallow"):
        changed_leaves(tmp_path / "clone")
    git(tmp_path / "clone", "fetch", "--quiet", "--unshallow")
    assert kinds(changed_leaves(tmp_path / "clone")) == {SKILL: "modified"}


def test_a_shallow_clone_of_one_branch_says_what_to_fetch(top: Path, tmp_path: Path) -> None:
    """A base that was never fetched is named with the command that gets it."""
    commit(top)
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=idea", top.as_uri(), "clone")
    with pytest.raises(UsageError, match=r"`git fetch origin main`.*--unshallow"):
        changed_leaves(tmp_path / "clone", "origin/main")


def test_a_taxonomy_in_a_subfolder_sees_only_itself(tmp_path: Path) -> None:
    """Paths are below the taxonomy's root, and the rest of the repository is none of its business."""
    top = tmp_path / "mono repo"
    root = top / "data" / "taxonömy"
    write(root, SKILL, skill_text())
    git(top, "init", "--quiet")
    commit(top)
    write(root, SKILL, skill_text(task="Other."))
    write(top / "other", SKILL, skill_text(task="Other."))
    (top / "README.md").write_text("hello\n")
    assert kinds(changed_leaves(root)) == {SKILL: "modified"}
    link = tmp_path / "link"
    link.symlink_to(root)
    assert kinds(changed_leaves(link)) == {SKILL: "modified"}


@pytest.mark.parametrize("name", ["zwei wörter", "日本語", "quote'\"s", "st*r[s]", "-dash", "new\nline", "a\\b"])
def test_paths_of_any_kind_are_told_as_they_are(top: Path, name: str) -> None:
    """Spaces, other scripts, quotes, pattern characters and line ends in folder names."""
    leaf = f"compositional_skills/{name}/x"
    write(top, leaf, skill_text())
    base = commit(top)
    write(top, leaf, skill_text(task="Other."))
    changes = changed_leaves(top, base)
    assert kinds(changes) == {leaf: "modified"}
    assert match_path(leaf, exact_pattern(leaf)) or "\\" in leaf


def test_patterns_of_changed_leaves_choose_exactly_those(top: Path) -> None:
    """A folder name with pattern characters does not choose its neighbours."""
    for name in ("[a]b", "ab", "[ab]"):
        write(top, f"compositional_skills/x/{name}", skill_text())
    base = commit(top)
    write(top, "compositional_skills/x/[a]b", skill_text(task="Other."))
    write(top, "compositional_skills/x/[ab]", skill_text(task="Other."))
    patterns = changed_leaves(top, base).patterns()
    chosen = [leaf.path for leaf in load_taxonomy(top, leaf_patterns=patterns).leaves]
    assert chosen == ["compositional_skills/x/[a]b", "compositional_skills/x/[ab]"]
    assert changed_leaves(top, base).patterns(["knowledge/**"]) == ()


def test_a_base_that_does_not_exist_is_explained(top: Path) -> None:
    """With the nearest name; words that look like options or ranges reach git as names at most."""
    with pytest.raises(UsageError, match=r"no such revision.*Did you mean `main`"):
        changed_leaves(top, "mian")
    with pytest.raises(UsageError, match="no such revision"):
        changed_leaves(top, "--output=/tmp/labgen-was-here")
    with pytest.raises(UsageError, match="not a range"):
        changed_leaves(top, "main..idea")
    for odd in ("", "a\0b", "a\nb", "HEAD:knowledge", "\x1b[2J"):
        with pytest.raises(UsageError, match="no such revision") as error:
            changed_leaves(top, odd)
        assert "\x1b" not in str(error.value)


def test_unrelated_histories_are_explained(top: Path) -> None:
    """A base without a common commit can't be compared with from where they parted."""
    git(top, "checkout", "--quiet", "--orphan", "alone")
    commit(top, "alone")
    with pytest.raises(UsageError, match="no commit in common"):
        changed_leaves(top, "main")


def test_a_repository_without_a_commit_has_only_new_leaves(tmp_path: Path) -> None:
    """The first leaves of a new taxonomy are all added, and the note says why."""
    write(tmp_path / "new", SKILL, skill_text())
    git(tmp_path / "new", "init", "--quiet")
    changes = changed_leaves(tmp_path / "new")
    assert kinds(changes) == {SKILL: "added"}
    assert "no commit yet" in changes.notes[0]


def test_a_folder_outside_git_is_explained(tmp_path: Path) -> None:
    """And so is a folder that isn't there."""
    write(tmp_path / "plain", SKILL, skill_text())
    with pytest.raises(UsageError, match="in no git repository"):
        changed_leaves(tmp_path / "plain")
    with pytest.raises(UsageError, match="no such folder"):
        changed_leaves(tmp_path / "nothing")


def test_no_default_branch_asks_for_one(tmp_path: Path) -> None:
    """Without origin, main or master, a base must be named."""
    write(tmp_path / "odd", SKILL, skill_text())
    git(tmp_path / "odd", "init", "--quiet", "--initial-branch=trunk")
    commit(tmp_path / "odd")
    with pytest.raises(UsageError, match=r"--base BRANCH.*`trunk`"):
        changed_leaves(tmp_path / "odd")


def test_submodules_are_looked_into(top: Path, tmp_path: Path) -> None:
    """Leaves in a submodule change with the commit that it is at, and with edits in it."""
    part = tmp_path / "part"
    write(part, "birds", skill_text())
    write(part, "fish", skill_text())
    git(part, "init", "--quiet")
    commit(part)
    git(top, "submodule", "--quiet", "add", str(part), "knowledge/part")
    base = commit(top)
    assert changed_leaves(top, base).leaves == ()
    inside = top / "knowledge" / "part"
    write(inside, "birds", skill_text(task="Other."))
    commit(inside)
    write(inside, "fish", skill_text(task="Other."))
    write(inside, "crabs", skill_text(task="Crabs are another matter.", seeds=("x",)))
    assert kinds(changed_leaves(top, base)) == {
        "knowledge/part/birds": "modified",
        "knowledge/part/crabs": "added",
        "knowledge/part/fish": "modified",
    }
    assert kinds(changed_leaves(inside)) == {}, "a submodule's own folder is no taxonomy of its own"


def test_a_submodule_that_is_not_here_is_noted(top: Path, tmp_path: Path) -> None:
    """Its leaves can't be compared, and the note says how to get them."""
    part = tmp_path / "part"
    write(part, "birds", skill_text())
    git(part, "init", "--quiet")
    commit(part)
    git(top, "submodule", "--quiet", "add", str(part), "knowledge/part")
    base = commit(top)
    git(top, "submodule", "--quiet", "deinit", "--force", "knowledge/part")
    (note,) = changed_leaves(top, base).notes
    assert "git submodule update --init" in note


def test_a_taxonomy_in_a_submodule_is_compared_in_it(top: Path, tmp_path: Path) -> None:
    """Its history is the submodule's own."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    git(outer, "submodule", "--quiet", "add", "--branch", "main", str(top), "tax")
    write(outer / "tax", SKILL, skill_text(task="Other."))
    assert kinds(changed_leaves(outer / "tax", "origin/main")) == {SKILL: "modified"}


def test_a_linked_working_tree_and_a_hook_are_at_home(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that git sets for a hook of one repository do not lead into that one."""
    git(top, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other", "main")
    write(tmp_path / "linked", SKILL, skill_text(task="Other."))
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(top / ".git" / "nothing"))
    monkeypatch.setenv("GIT_WORK_TREE", str(top))
    assert kinds(changed_leaves(tmp_path / "linked")) == {SKILL: "modified"}


def test_ignored_leaves_are_noted(top: Path) -> None:
    """labgen would build them, no pull request would hold them."""
    (top / ".gitignore").write_text("drafts/\n")
    write(top, "compositional_skills/drafts/x", skill_text())
    changes = changed_leaves(top)
    assert kinds(changes) == {}
    assert changes.notes == ("compositional_skills/drafts/x: git ignores this leaf, so no commit will hold it.",)


def test_leaves_in_the_wrong_place_are_noted(top: Path) -> None:
    """A new leaf that labgen can't see is not passed over in silence."""
    write(top, "skills/notes", skill_text())
    (top / SKILL / "qna.yaml").rename(top / SKILL / "qna.yml")
    changes = changed_leaves(top)
    assert kinds(changes) == {SKILL: "deleted"}
    assert [(stray.code, stray.name) for stray in changes.misplaced] == [
        ("LG107", f"{SKILL}/qna.yml"),
        ("LG108", "skills/notes/qna.yaml"),
    ]


def test_what_git_only_converts_is_no_change(top: Path) -> None:
    """Line endings that git turns over, a file's mode, and a file that was only taken out of the index."""
    (top / SKILL / "qna.yaml").write_bytes(skill_text().replace("\n", "\r\n").encode())
    (top / FACTS / "qna.yaml").chmod(0o755)
    git(top, "rm", "--quiet", "--cached", f"{FACTS}/tides.md")
    assert changed_leaves(top).leaves == ()


def test_a_sparse_checkout_misses_nothing(top: Path) -> None:
    """Leaves that are not checked out are not deleted."""
    git(top, "sparse-checkout", "set", "knowledge")
    assert not (top / SKILL).exists()
    assert changed_leaves(top).leaves == ()


def test_a_leaf_becomes_readable_or_stops_to_be(top: Path) -> None:
    """Both are told, and neither stops the others."""
    write(top, SKILL, "version: 3\ntask: a: b\n")
    base = commit(top)
    write(top, SKILL, skill_text())
    write(top, FACTS, "- no leaf")
    changes = changed_leaves(top, base)
    assert words(changes, SKILL) == ["it could not be read before, and can be now"]
    assert words(changes, FACTS) == ["it can't be read as it is now; `labgen check` says why"]


def test_the_leaf_at_the_base_is_had_without_a_checkout(top: Path, tmp_path: Path) -> None:
    """With the documents beside it, and under its new path where it was moved."""
    (top / "knowledge/sea").mkdir()
    (top / FACTS).rename(top / "knowledge/sea/tides")
    (top / "knowledge/sea/tides/tides.md").write_text("Now different.\n")
    (top / "knowledge/sea/tides/link.md").symlink_to("/etc/passwd")
    changes = changed_leaves(top)
    assert changes.restore(changes.leaves[0], tmp_path / "was")
    (leaf,) = load_taxonomy(tmp_path / "was").leaves
    assert leaf.path == "knowledge/sea/tides"
    assert (tmp_path / "was" / leaf.path / "tides.md").read_text() == "# Tides\n\nThe moon pulls.\n"
    assert not (top / FACTS).exists()


def test_files_that_look_like_a_repository_run_nothing(top: Path, tmp_path: Path) -> None:
    """A stranger's commit may hold a repository's own files, with settings that name a program."""
    root = top / "taxonomy"
    write(root, SKILL, skill_text())
    for folder in ("objects", "refs"):
        (root / folder).mkdir()
    (root / "HEAD").write_text("ref: refs/heads/main\n")
    trace = tmp_path / "was-run"
    (root / "config").write_text(
        f"[core]\n repositoryformatversion = 0\n bare = false\n worktree = .\n fsmonitor = touch {trace}\n"
    )
    with pytest.raises(UsageError, match="look like a git repository of its own"):
        changed_leaves(root, "main")
    assert not trace.exists()
