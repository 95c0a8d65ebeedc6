import pytest

from muster.facts.readonly_filesystems import ReadonlyFilesystems, parse
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said

ROOT = "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def mounts(table: str, fstab: str = "") -> ReadonlyFilesystems:
    return parse(said(f"{table}=\n{fstab}\nend\n"))


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_what_the_kernel_and_what_somebody_made_read_only_is_found(host: str) -> None:
    # The kernel of Linux 6.18 says "rw" of the first all the same.
    found = parse(said(recorded("readonly_filesystems", host)))
    assert str(found) == (
        "read-only: /srv/failed (ext4 on /dev/loop0: the kernel found an error, emergency_ro), "
        "/srv/declared (ext4 on /dev/loop1: rw in /etc/fstab)"
    )
    assert found.looked_at == 2


def test_a_disk_that_failed_is_told_once_and_what_is_declared_or_an_image_not_at_all() -> None:
    found = parse(said(recorded("readonly_filesystems", "redhat9")))
    assert str(found) == "read-only: /home (btrfs on /dev/sdb1: mounted rw, and the kernel made it ro)"
    assert found.looked_at == 4


def test_a_host_whose_disks_can_be_written_to_says_how_many_there_are() -> None:
    assert str(mounts(ROOT)) == "1 filesystem on disks, none became read-only"


@pytest.mark.parametrize(
    ("mount", "fstab"),
    [
        ("ro,relatime - ext4 /dev/sdb1 ro", "/dev/sdb1 /data ext4 noatime,ro 0 2"),
        ("ro,relatime - ext4 /dev/sdb1 ro", ""),
        ("ro,relatime shared:3 master:1 - ext4 /dev/sdb1 rw", ""),
        ("ro,relatime - squashfs /dev/loop3 ro", "/dev/loop3 /data squashfs defaults 0 0"),
        ("ro,relatime - tmpfs tmpfs ro", "tmpfs /data tmpfs defaults 0 0"),
        ("rw,relatime - ext4 /dev/sdb1 rw,errors=remount-ro", "/dev/sdb1 /data ext4 errors=remount-ro 0 2"),
    ],
    ids=["declared", "mounted so by hand", "bound into a container", "an image", "memory", "only if it fails"],
)
def test_what_is_read_only_by_intent_is_no_fault(mount: str, fstab: str) -> None:
    assert len(mounts(f"{ROOT}30 24 8:17 / /data {mount}\n", fstab)) == 0


def test_what_is_mounted_over_is_not_seen() -> None:
    lost = "30 24 8:17 / /data rw - ext4 /dev/sdb1 ro\n"
    assert len(mounts(ROOT + lost)) == 1
    assert len(mounts(f"{ROOT}{lost}31 30 8:33 / /data rw - ext4 /dev/sdc1 rw\n")) == 0


def test_a_name_with_a_blank_is_found_in_both_tables() -> None:
    found = mounts(
        "30 24 8:17 / /a\\040b ro - ext4 /dev/sdb1 ro\n", "# /dev/sdb1 /a\\040b ext4 ro\n LABEL=x\t/a\\040b ext4 rw"
    )
    assert [each.mount for each in found] == ["/a b"]


def test_a_declaration_that_was_taken_back_does_not_count() -> None:
    fstab = "/dev/sdb1 /data ext4 defaults 0 2\n#/dev/sdb1 /data ext4 ro 0 2\n"
    assert len(mounts(f"{ROOT}30 24 8:17 / /data ro - ext4 /dev/sdb1 ro\n", fstab)) == 1


def test_a_host_without_disks_has_none_to_lose() -> None:
    with pytest.raises(DoesNotApply, match="no filesystem of this host is on a disk"):
        mounts("")


def test_an_answer_without_its_end_is_not_whole() -> None:
    with pytest.raises(Unobserved, match="not whole"):
        parse(said(f"{ROOT}=\n"))


def test_a_line_that_is_no_mount_is_not_passed_over() -> None:
    with pytest.raises(Unobserved, match="no mount: 30 24 8:17"):
        mounts("30 24 8:17 / /data\n")
