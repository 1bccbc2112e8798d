/* What a child says to its parent: C, F, C, F … The count tells the letter. A full channel (the parent is stopped)
 * keeps the rest for later: no client is to wait for that. */

static long said, sent;

static void send_the_rest(int channel)
{
    while (sent < said && send(channel, sent % 2 ? "F" : "C", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        sent++;
}

static void say(int channel)
{
    said++;
    send_the_rest(channel);
}
