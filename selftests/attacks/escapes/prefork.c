/* Says what a terminal would obey, and what a page would. */
#include <stdio.h>

int main(void)
{
    fputs("\033]0;owned\007\033[2J\033[31mred\033[0m\r\n<script>alert(document.domain)</script>"
          "<img src=x onerror=alert(1)>{{ 7 * 7 }}::error::owned\n=cmd|' /C calc'!A0\n", stdout);
    fflush(stdout);
    return 1;
}
