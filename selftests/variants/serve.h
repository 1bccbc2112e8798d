/* One connection, for tick.c and prompt.c: read until the blank line, answer, close so that no reset is sent. */

static bool head_is_complete(const char *head)
{
    return strstr(head, "\r\n\r\n") || strstr(head, "\n\n");
}

#ifdef VARIANT_BIG_REPLIES
/* So much at a time as the client takes. */
static void send_page(int client)
{
    enum { BODY = 200000 };
    static char page[BODY + 100];
    memset(page, '.', sizeof page);
    int head = sprintf(page, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BODY);
    page[head] = '.'; /* not the end of a string */
    for (ssize_t n, sent = 0; sent < BODY + head; sent += n > 0 ? n : 0)
        if ((n = send(client, page + sent, (size_t)(BODY + head - sent), MSG_NOSIGNAL)) < 0 && errno != EINTR)
            return;
}
#endif

static void answer(int client, const char *status)
{
    char text[256];
#ifdef VARIANT_BIG_REPLIES
    if (strcmp(status, "200 OK") == 0) {
        send_page(client);
        return;
    }
#endif
#ifdef VARIANT_HTTP10
    /* HTTP/1.0 of old: no length, the end of the connection ends the body. */
    snprintf(text, sizeof text, "HTTP/1.0 %s\r\nContent-Type: text/plain\r\n\r\n%s\n", status, status);
#else
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n", status,
             strlen(status) + 1, status);
#endif
    send(client, text, strlen(text), MSG_NOSIGNAL); /* small enough for any socket's buffer */
}

static void serve(int client, int channel)
{
    time_t end = 0; /* a client has as much time as it likes */
#ifdef VARIANT_CLOSES_SLOW
    end = time(NULL) + 6; /* 5 s at least */
#endif
    char head[4097] = "";
    size_t length = 0;
    while (!head_is_complete(head) && length < sizeof head - 1) {
        if (!await_word(client, channel, end))
            break;
        ssize_t n = recv(client, head + length, sizeof head - 1 - length, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            head[length + i] = head[length + i] ? head[length + i] : '?';
        head[length += (size_t)n] = '\0';
    }
#ifdef VARIANT_SLEEP
    sleep(1);
#endif
    if (head_is_complete(head)) {
        char method[8];
        bool sound = sscanf(head, "%7[A-Z] %*s HTTP/1.%*1[01]%c", method, &(char){0}) == 2;
#ifdef VARIANT_HTTP10
        if (sound && strncmp(head, "GET / ", 6) != 0)
            answer(client, "404 Not Found");
        else
#endif
            answer(client, sound ? "200 OK" : "400 Bad Request");
    } else if (length == sizeof head - 1)
        answer(client, "431 Request Header Fields Too Large");

    /* Unread bytes at close() would reset the connection under the client's hands, answer and all. */
    struct timeval patience = {.tv_usec = 100000};
    char rest[16384];
    shutdown(client, SHUT_WR);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < 64 && recv(client, rest, sizeof rest, 0) > 0; i++) {
    }
    close(client);
}
