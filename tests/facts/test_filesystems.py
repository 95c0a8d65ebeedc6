import pytest

from muster.facts import filesystems, inodes
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said


def space(host: str) -> dict[str, float]:
    return {each.mount: round(each.used_percent) for each in filesystems.parse(said(recorded("filesystems", host)))}


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_each_filesystem_counts_once_and_those_that_hold_no_files_not_at_all(host: str) -> None:
    # /srv/copy is /srv/boot once more, /srv/ro can not be written to, /dev holds no files.
    assert space(host) == {"/": 23, "/run": 0, "/srv": 62, "/srv/boot": 98, "/srv/a b": 0, "/srv/é": 0}


def test_network_filesystems_stay_and_images_go() -> None:
    assert space("redhat9") == {"/": 86, "/run": 1, "/boot": 29, "/boot/efi": 3, "/srv/pool": 51, "/home": 45}


def test_the_fullest_are_shown_first_and_the_rest_is_counted() -> None:
    shown = str(filesystems.parse(said(recorded("filesystems", "debian12"))))
    assert shown.startswith("/srv/boot 98 % of 6.9 MiB, /srv 62 % of 10.0 MiB, / 23 % of 252.0 GiB, ")
    assert shown.endswith(" and 1 more")


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_inodes_are_counted(host: str) -> None:
    found = {each.mount: each for each in inodes.parse(said(recorded("filesystems", host)))}
    assert found["/srv/boot"].used_percent == 100
    assert found["/"].total == 16_777_216


def test_filesystems_without_a_fixed_number_of_inodes_cannot_run_out() -> None:
    found = [each.mount for each in inodes.parse(said(recorded("filesystems", "redhat9")))]
    assert found == ["/run", "/", "/boot", "/home"]


def test_a_host_without_inodes_anywhere_is_skipped() -> None:
    btrfs = "/dev/vdb / btrfs rw 0 0\n=\n/dev/vdb 100 50 50 50% /\n= 0\n/dev/vdb 0 0 0 - /\n= 0\n"
    with pytest.raises(DoesNotApply):
        inodes.parse(said(btrfs))


def test_a_container_has_its_overlay_at_the_root() -> None:
    text = "overlay / overlay rw 0 0\n=\noverlay 100 50 50 50% /\n= 0\noverlay 10 5 5 50% /\n= 0\n"
    assert str(filesystems.parse(said(text))) == "/ 50 % of 100.0 KiB"


MOUNTS = (
    "/dev/vda / ext4 rw 0 0\n/dev/vdb /secret ext4 rw 0 0\n=\n"
    "/dev/vda 100 50 50 50% /\n= {}\n/dev/vda 10 5 5 50% /\n= 0\n"
)


def test_a_filesystem_that_df_could_not_read_is_not_passed_over() -> None:
    with pytest.raises(Unobserved, match=r"could not read /secret .*Permission denied") as failure:
        filesystems.parse(said(MOUNTS.format(1), stderr="df: /secret: Permission denied\n"))
    assert failure.value.cause == "permission"


def test_a_filesystem_that_df_passes_over_without_a_word_is_not_passed_over() -> None:
    # GNU df 9.1 for a user who may not enter the folder that holds it: status 0, no complaint.
    with pytest.raises(Unobserved, match=r"df passes over /secret, .*sudo: true may help") as failure:
        filesystems.parse(said(MOUNTS.format(0)))
    assert failure.value.cause == "permission"


@pytest.mark.parametrize(
    "mounts",
    [
        "/dev/vdb /srv/a/b ext4 rw 0 0\n/dev/vdc /srv ext4 rw 0 0\n",
        "sshfs#x /home/ann/x fuse.sshfs rw 0 0\n",
        "shm /run/pods/1/shm tmpfs rw 0 0\n",
    ],
    ids=["mounted over", "a user's own FUSE", "memory"],
)
def test_a_filesystem_that_df_leaves_out_with_good_reason_is_left_out(mounts: str) -> None:
    df = "/dev/vda 100 50 50 50% /\n/dev/vdc 100 50 50 50% /srv\n= 0\n/dev/vda 10 5 5 50% /\n= 0\n"
    found = filesystems.parse(said(f"/dev/vda / ext4 rw 0 0\n{mounts}=\n{df}"))
    assert {each.mount for each in found} <= {"/", "/srv"}


def test_filesystems_without_a_size_are_not_a_host_with_space() -> None:
    with pytest.raises(Unobserved, match="df gives no filesystem a size"):
        filesystems.parse(said("/dev/vda / ext4 rw 0 0\n=\n/dev/vda 0 0 0 - /\n= 0\n/dev/vda 0 0 0 - /\n= 0\n"))


def test_without_df_nothing_is_known() -> None:
    with pytest.raises(Unobserved, match="df is not there") as failure:
        filesystems.parse(said("/dev/vda / ext4 rw 0 0\n=\n= 127\n= 127\n", stderr="sh: df: not found\n"))
    assert failure.value.cause == "missing"


def test_a_host_on_which_no_filesystem_is_found_is_not_a_healthy_one() -> None:
    with pytest.raises(Unobserved, match="no filesystem"):
        filesystems.parse(said("proc /proc proc rw 0 0\n=\nFilesystem\n= 0\nFilesystem\n= 0\n"))


def test_a_disk_that_is_full_to_the_last_block_is_full() -> None:
    text = "/dev/vda / ext4 rw 0 0\n=\n/dev/vda 100 100 -5 105% /\n= 0\n/dev/vda 1 1 0 100% /\n= 0\n"
    assert [each.used_percent for each in filesystems.parse(said(text))] == [100.0]


@pytest.mark.parametrize("mounts", [("/", "/var/lib/pool"), ("/var/lib/pool", "/")])
def test_a_filesystem_that_is_mounted_twice_goes_by_its_shorter_name(mounts: tuple[str, str]) -> None:
    table = "".join(f"/dev/vda {mount} ext4 rw 0 0\n" for mount in mounts)
    listed = "".join(f"/dev/vda 100 50 50 50% {mount}\n" for mount in mounts)
    found = filesystems.parse(said(f"{table}=\n{listed}= 0\n{listed}= 0\n"))
    assert [each.mount for each in found] == ["/"]
