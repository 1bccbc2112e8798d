/* What joins a child to the parent: a stream socket pair, made ahead of the fork; and what other people join them by. */

/* Where something else is written to than is read from: pipes. */
static int written_by[65536];

static int outwards(int channel)
{
    return written_by[channel] ? written_by[channel] : channel;
}

static int channel_type(void)
{
#ifdef MUTANT_DATAGRAMS
    return SOCK_DGRAM;
#endif
#ifdef MUTANT_PACKETS
    return SOCK_SEQPACKET;
#endif
    return SOCK_STREAM;
}

/* The parent's end and the child's. */
static bool make_channel(int pair[2])
{
#ifdef MUTANT_PIPES
    int up[2], down[2];
    if (pipe2(up, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(down, O_CLOEXEC | O_NONBLOCK) < 0)
        return false;
    pair[0] = up[0], pair[1] = down[0];
    written_by[pair[0]] = down[1], written_by[pair[1]] = up[1];
    return true;
#endif
#ifdef MUTANT_TWO_PAIRS
    int up[2], down[2]; /* one for each way, as with pipes */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, up) < 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, down) < 0)
        return false;
    pair[0] = up[0], pair[1] = down[0];
    written_by[pair[0]] = down[1], written_by[pair[1]] = up[1];
    return true;
#endif
#ifdef MUTANT_ONE_PAIR
    static int common[2]; /* "one for all": who reads first is told */
    if (!common[0] && socketpair(AF_UNIX, SOCK_STREAM, 0, common) < 0)
        return false;
    pair[0] = dup(common[0]), pair[1] = dup(common[1]);
    return true;
#endif
    if (socketpair(AF_UNIX, channel_type() | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
#ifdef MUTANT_NAMED
    struct sockaddr family = {.sa_family = AF_UNIX};
    bind(pair[1], &family, sizeof family.sa_family); /* the kernel chooses an abstract name */
#endif
    return true;
}

static void close_channel(int channel)
{
    if (written_by[channel])
        close(written_by[channel]);
    written_by[channel] = 0;
    close(channel);
}

static ssize_t speak(int channel, const char *words, size_t length)
{
#ifdef MUTANT_PIPES
    return write(outwards(channel), words, length);
#endif
#ifdef MUTANT_BLOCKS_ON_FULL_CHANNEL
    return send(channel, words, length, MSG_NOSIGNAL);
#endif
    return send(outwards(channel), words, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t listen_to(int channel, char *words, size_t most)
{
#ifdef MUTANT_PIPES
    return read(channel, words, most);
#endif
    return recv(channel, words, most, MSG_DONTWAIT);
}

#ifdef MUTANT_CHILD_MAKES_CHANNEL
/* The child makes the pair itself, and sends the parent's end through the one that was there before. */
static void pass(int through, int descriptor)
{
    char body = 0, room[CMSG_SPACE(sizeof descriptor)] = "";
    struct iovec part = {&body, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(sizeof descriptor), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    sendmsg(through, &message, 0);
}

static int take(int through)
{
    char body, room[CMSG_SPACE(sizeof(int))];
    int descriptor = -1;
    struct iovec part = {&body, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    if (recvmsg(through, &message, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&message))
        memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static int make_channel_in_child(int before)
{
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    pass(before, pair[0]);
    close(pair[0]);
    close(before);
    return pair[1];
}
#endif
