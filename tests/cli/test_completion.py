"""``mcast --completion SHELL``, and what a shell makes of it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mcast.cli import COMMANDS, SHELLS, main


def printed(*arguments: str) -> tuple[int, str, str]:
    """Run `mcast`; return its status, and what it printed on standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()


def run(shell: str, script: str) -> str:
    """Run a script that gets the completion on standard input; return what it prints.

    :raises SkipTest: the shell is not installed; where CI is set it must be there.
    """
    if shutil.which(shell) is None and not os.environ.get("CI"):
        raise SkipTest(f"{shell} is not installed")
    text = printed("--completion", shell)[1]
    done = subprocess.run(
        [shell, "-c", script], input=text, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout


class CompletionTests(SynchronousTestCase):
    """Each shell completes commands and options."""

    def test_each_shell_has_a_script(self) -> None:
        for shell in SHELLS:
            status, script, _ = printed("--completion", shell)
            self.assertEqual(status, 0)
            for name in COMMANDS:
                self.assertIn(name, script, shell)

    def test_other_words(self) -> None:
        for words in ([], ["csh"], ["bash", "zsh"]):
            status, out, err = printed("--completion", *words)
            self.assertEqual((status, out), (2, ""))
            self.assertEqual(err, "mcast --completion: name one shell of bash, fish, zsh\n")

    def test_bash(self) -> None:
        script = 'source /dev/stdin; COMP_WORDS=({}); COMP_CWORD={}; _shtab_mcast; echo "${{COMPREPLY[@]}}"'
        self.assertEqual(run("bash", script.format("mcast pi", 1)).split(), ["ping"])
        self.assertEqual(run("bash", script.format("mcast ping --cou", 2)).split(), ["--count"])

    def test_bash_knows_the_interfaces(self) -> None:
        words = "COMP_WORDS=(mcast ping -I l); COMP_CWORD=3"
        found = run("bash", f'source /dev/stdin; {words}; _shtab_mcast; echo "${{COMPREPLY[@]}}"')
        self.assertIn("lo", found.split())

    def test_fish(self) -> None:
        found = run("fish", "source; complete -C 'mcast pi'")
        self.assertEqual([line.split("\t")[0] for line in found.splitlines()], ["ping"])

    def test_zsh(self) -> None:
        """It is sound; what it completes only a terminal shows."""
        self.assertEqual(run("zsh", "setopt no_exec; source /dev/stdin"), "")
