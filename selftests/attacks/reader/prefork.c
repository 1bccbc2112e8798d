/* Reads what is not its own: the harness's and others' files, the home folders, the environment of whoever runs it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void show(const char *path)
{
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    if (file && fread(text, 1, sizeof text - 1, file) > 0)
        printf("READ %s: %s\n", path, text);
    if (file)
        fclose(file);
}

static void list(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            printf("LISTED %s/%s\n", path, entry->d_name);
    if (folder)
        closedir(folder);
}

int main(void)
{
    static const char *const folders[] = {"/root", "/home", "/mnt", "/srv", "/opt", "/run", "/var", "..", "/tmp", "/proc/1/root"};
    static const char *const files[] = {"/etc/shadow", "/proc/1/environ", "/proc/1/cmdline", "../rubric.toml", "/var/lib/secret"};
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
        list(folders[i]);
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        show(files[i]);
    if (getenv("PREFORKSPEC_TEST_SECRET"))
        printf("READ the environment: %s\n", getenv("PREFORKSPEC_TEST_SECRET"));
    fflush(stdout);
    return 0;
}
