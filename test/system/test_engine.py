"""What docs/engines.md says of engines: its minimal program is one."""

import json
import subprocess

from harness import TOP


def minimal_program():
    section = (TOP / "docs/engines.md").read_text().split("\n## A minimal program\n")[1].split("\n## ")[0]
    block = section.split("    #!", 1)[1].split("\n\nTry yours")[0]
    return "\n".join(line.removeprefix("    ") for line in ("    #!" + block).splitlines())


class Program:
    def __init__(self, folder):
        path = folder / "program"
        path.write_text(minimal_program())
        path.chmod(0o755)
        self.child = subprocess.Popen(
            [str(path)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, command, **more):
        order = {"id": 7, "command": command, "timeout_ms": 1000, "group": "g", "self": "a", "members": {}}
        print(json.dumps({**order, **more}), file=self.child.stdin, flush=True)
        answer = json.loads(self.child.stdout.readline())
        assert answer["id"] == 7
        return answer

    def end(self):
        self.child.stdin.close()
        self.child.stdout.close()
        return self.child.wait(10)


def test_the_minimal_program_keeps_the_contract(tmp_path):
    program = Program(tmp_path)
    assert program.ask("status")["status"]["role"] == "none"
    assert program.ask("promise", epoch=2)["status"]["promised"] == 2
    assert program.ask("promote", epoch=1)["outcome"] == "refused"
    promoted = program.ask("promote", epoch=3, mode="async", acks=0, needs=[])["status"]
    assert (promoted["role"], promoted["writable"], promoted["epoch"]) == ("primary", True, 3)
    assert program.ask("demote", epoch=3, target=None)["status"]["writable"] is False
    assert program.ask("follow", epoch=4, primary="b")["status"]["epoch"] == 4
    assert program.end() == 0
    again = Program(tmp_path)
    status = again.ask("status")["status"]
    assert (status["role"], status["promised"]) == ("none", 4)
    assert again.end() == 0
