/* What a child says to its parent: C, F, C, F … The count tells the letter. A full channel (the parent is stopped)
 * keeps the rest for later: no client is to wait for that. */

static long said, sent;

static void send_the_rest(int channel)
{
    while (sent < said && send(channel, sent % 2 ? "F" : "C", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        sent++;
}

/* A silent client is not to keep back what is unsent, C of this very one perhaps. Returns whether recv() may sleep for
 * as long as it likes, or will not sleep; false: it is later than `end`, where there is one. */
static bool await_word(int client, int channel, time_t end)
{
    struct pollfd word = {.fd = client, .events = POLLIN};
    while (end || sent < said) {
        if (end && time(NULL) >= end)
            return false;
        if (poll(&word, 1, 100) > 0)
            return true;
        send_the_rest(channel);
    }
    return true;
}

static void say(int channel)
{
    said++;
    send_the_rest(channel);
}
