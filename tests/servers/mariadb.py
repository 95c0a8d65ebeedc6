"""MariaDB: real servers on free ports of 127.0.0.1, with throwaway folders.

``with MariaDb() as server:`` starts one with a database ``shop``; ``server.sql("SELECT 1")`` asks it as root, over a
connection of its own. `MariaDb.connection` gives one to keep, in which a transaction can be held open.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pymysql

from tests.servers.processes import Background, free_port, wait_for

MARIADB = "/usr/sbin/mariadbd"


class MariaDb:
    """A MariaDB that runs while the object is entered. ``settings`` are those of its command line.

    ``tls``: it has a certificate for 127.0.0.1, which ``ca_file`` trusts.
    """

    def __init__(self, *, tls: bool = False, **settings: object) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="muster-mariadb-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "mysqld.sock"
        self._store = self.folder / "store"
        self.ca_file = self.folder / "ca.pem"
        if tls:
            settings |= self._certificate()
        self._settings: Mapping[str, object] = {
            "port": self.port,
            "bind_address": "127.0.0.1",
            "socket": self.socket,
            "datadir": self._store,
            "pid_file": self.folder / "pid",
            "innodb_buffer_pool_size": "16M",
            "innodb_log_file_size": "8M",
            "innodb_flush_log_at_trx_commit": 0,
            "skip_name_resolve": 1,
            **settings,
        }
        self._process: Background | None = None

    def __enter__(self) -> Self:
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(self.folder, "mysql")
        install = ["mariadb-install-db", "--no-defaults", *user, f"--datadir={self._store}", "--skip-test-db"]
        install.append("--auth-root-authentication-method=normal")
        subprocess.run(install, check=True, capture_output=True)
        words = [f"--{name}={value}" for name, value in self._settings.items()]
        self._process = Background([MARIADB, "--no-defaults", *user, *words], self.folder / "log")
        self._process.wait_for(self._answers)
        self.sql("CREATE DATABASE shop")
        return self

    def _certificate(self) -> dict[str, object]:
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        own, key = self.folder / "cert.pem", self.folder / "key.pem"
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(str(own))
        issued.private_key_pem.write_to_path(str(key))
        if os.geteuid() == 0:
            shutil.chown(key, "mysql")
        return {"ssl_cert": own, "ssl_key": key, "ssl_ca": self.ca_file}

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connection(self, database: str | None = None, *, user: str = "root", password: str = "") -> Any:
        """A connection to keep, which commits only when it is told to. Its socket needs no rights on the network."""
        return pymysql.connect(unix_socket=str(self.socket), user=user, password=password, database=database)

    def sql(self, *statements: str, database: str | None = None) -> list[dict[str, Any]]:
        """Run statements as root; the rows of the last one."""
        by_name = pymysql.cursors.DictCursor
        with closing(self.connection(database)) as connection, connection.cursor(by_name) as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()
            return list(cursor.fetchall())

    def user(self, name: str, password: str, *grants: str) -> None:
        """Make a user that may log in from anywhere, with rights such as ``PROCESS ON *.*``."""
        self.sql(f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY '{password}'")
        self.sql(*(f"GRANT {grant} TO {name}@'%'" for grant in grants), "SELECT 1")

    def follow(self, primary: MariaDb) -> None:
        """Be a replica of another, which writes a binary log (``log_bin``), and wait until it is."""
        primary.user("copier", "copier", "REPLICATION SLAVE ON *.*")
        self.sql(
            f"CHANGE MASTER TO master_host='127.0.0.1', master_port={primary.port}, master_user='copier',"
            " master_password='copier', master_use_gtid=slave_pos, master_connect_retry=1",
            "START SLAVE",
        )
        wait_for(self._follows, "replication")

    def _answers(self) -> bool:
        """Whether it is there. Its port alone does not tell: it is open before the socket is, or another's."""
        try:
            return bool(self.sql("SELECT 1"))
        except pymysql.err.OperationalError:
            return False

    def _follows(self) -> bool:
        (status,) = self.sql("SHOW SLAVE STATUS")
        return bool(status["Slave_IO_Running"] == "Yes" and status["Seconds_Behind_Master"] == 0)
