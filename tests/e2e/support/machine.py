"""A Debian machine with systemd as its first process, in a container: fresh at each start, thrown away after.

It shares the network of whoever starts it. `./dev package-test` gives both a network of their own, so port 443
and the admin address are free, and the clients of tests/e2e reach the machine over loopback as they stand."""
import pathlib
import re
import signal
import subprocess

from .net import eventually

BOOT_S = 60


class Machine:
    def __init__(self, image, folder):
        self.log_file = folder / "machine.log"
        self.log = open(self.log_file, "wb")
        self.files = folder / "files"  # /mnt inside: how files come in
        self.files.mkdir()
        # Nothing of it is registered: this works where no systemd runs outside.
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--volatile=overlay", "--console=pipe",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",  # as on bare metal: without it nobody inside has Landlock
             f"--directory={image}", f"--bind-ro={self.files}:/mnt", "--boot", "systemd.journald.forward_to_console=1"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.leader = eventually(self._first_process, lambda: "a first process: " + self.log_file.read_text())
            eventually(self._booted, lambda: "booted: " + self.log_file.read_text(), deadline_s=BOOT_S)
        except BaseException:
            self.stop()
            raise

    def _first_process(self):
        """The child that is number 1 inside and runs systemd; helpers of nspawn come and go before it."""
        assert self.process.poll() is None, self.log_file.read_text()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            try:
                text = pathlib.Path(f"/proc/{child}/status").read_text()
            except OSError:
                continue
            if re.search(r"^Name:\tsystemd$", text, re.M) and re.search(r"^NSpid:.*\t1$", text, re.M):
                return int(child)
        return None

    def _booted(self):
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def run(self, *command, check=False):
        """Runs a command inside, as root."""
        result = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd", "--",
             "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
             *[str(word) for word in command]], capture_output=True, text=True, timeout=120)
        assert result.returncode == 0 or not check, f"{command}: {result.stdout}{result.stderr}"
        return result

    def put(self, name, content):
        """A file under /mnt."""
        (self.files / name).write_bytes(content)
        return f"/mnt/{name}"

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", check=True).stdout

    def show(self, unit, *properties):
        """The values of a unit's properties, as a dictionary."""
        text = self.run("systemctl", "show", unit, "--property=" + ",".join(properties), check=True).stdout
        return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # an orderly power-off
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
