/* Writes where results and reports may be, and over the system's own programs. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    static const char *const places[] = {
        "../result.json", "../verdict.json", "../../results/writer.json", "/usr/bin/cc", "/etc/passwd", "/bin/sh", "/proc/1/mem",
        "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/dev/mem", "/lib/evil.so",
    };
    mount("none", "/usr", NULL, MS_REMOUNT, NULL);
    umount2("/usr", MNT_DETACH);
    chroot("..");
    mknod("/tmp/disk", S_IFBLK | 0666, 0);
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        int file = open(places[i], O_WRONLY | O_CREAT, 0644);
        if (file >= 0 && write(file, "x", 1) == 1)
            printf("WROTE %s\n", places[i]);
    }
    fflush(stdout);
    return 0;
}
