/* Fills every place that it may write to, file after file. */
#include <stdio.h>
#include <string.h>

int main(void)
{
    static const char *const places[] = {".", "/tmp", "/dev/shm", "/var/tmp", "/"};
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    for (unsigned number = 0;; number++) {
        char name[64];
        snprintf(name, sizeof name, "%s/filler%u", places[number % 5], number);
        FILE *file = fopen(name, "w");
        for (int i = 0; file && i < 64 && fwrite(block, sizeof block, 1, file) == 1; i++) {
        }
        if (file)
            fclose(file);
    }
}
