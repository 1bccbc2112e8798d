/* Connections handed from one process to another (SCM_RIGHTS) through one more socket pair, which all share.
 * For the mutants in which the parent, or one child, accepts for the others. */

static int hand_in = -1, hand_out = -1;

static void open_hand(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        exit(1);
    hand_in = pair[0];
    hand_out = pair[1];
}

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static void send_descriptor(int fd)
{
    char byte = 'A';
    struct iovec io = {&byte, 1};
    union control control;
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    sendmsg(hand_in, &message, MSG_NOSIGNAL);
    close(fd);
}

static int receive_descriptor(void)
{
    char byte;
    int fd = -1;
    struct iovec io = {&byte, 1};
    union control control;
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    if (recvmsg(hand_out, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
        return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}
