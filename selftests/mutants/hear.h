/* Parent. What is said on a channel: K to a child, C and F by it; and the end of a channel. */

static void dismiss(struct child *child)
{
#if defined MUTANT_TERM_FOR_K
    kill(child->pid, SIGTERM);
#elif defined MUTANT_SHEDS_BY_CLOSING
    epoll_ctl(epoll, EPOLL_CTL_DEL, child->channel, NULL); /* a child ends when its parent has gone, so let it seem so */
    close_channel(child->channel);
    child->channel = -1;
#elif defined MUTANT_SHEDS_BY_SIGNAL
    kill(child->pid, SIGUSR1);
#elif defined MUTANT_K_TWICE
    speak(child->channel, "KK", 2);
#elif defined MUTANT_K_WITH_NEWLINE
    speak(child->channel, "K\n", 2);
#elif defined MUTANT_SIGPIPE_KILLS_PARENT
    ssize_t unheard = write(child->channel, "K", 1);
    (void)unheard;
#elif defined MUTANT_ENDS_WHEN_K_IS_REFUSED
    if (speak(child->channel, "K", 1) < 0) {
        perror("send");
        exit(1);
    }
#elif defined MUTANT_REPEATS_K
    while (speak(child->channel, "K", 1) != 1) { /* it has to be told */
    }
#else
    speak(child->channel, "K", 1);
#endif
    child->told = true;
    child->state = LEAVING;
}

/* Closing alone would not take it out of epoll: a newborn sibling has a copy of this end for a moment, or for longer,
 * where it is stopped just then. */
static void let_go(struct child *child)
{
    if (child->channel < 0)
        return;
#ifdef MUTANT_SPINS_ON_ENDED_CHANNEL
    return;
#endif
    epoll_ctl(epoll, EPOLL_CTL_DEL, child->channel, NULL);
#ifdef MUTANT_CHANNELS_LEAKED
    return;
#endif
#ifdef MUTANT_TOLD_CHANNEL_LEAKED
    if (child->told)
        return; /* dismissed: all that was to be done about it is done */
#endif
    close_channel(child->channel);
    child->channel = -1;
}

/* A child has ended, and its last words were heard. */
static void forget(struct child *child, bool by_itself)
{
    bool recycled = by_itself && !child->told;
#ifdef MUTANT_RECYCLED_NOT_REPLACED
    if (recycled) { /* its last word was F: in the books it is idle for ever */
        *child = (struct child){.state = IDLE, .channel = -1};
        return;
    }
#endif
    if (recycled) {
#ifdef MUTANT_COUNT_INHERITED
        child->served = 0; /* here, and not where a place is taken */
#endif
        owed++;
        any_recycled = true;
        recycled_at = now();
    }
#ifdef MUTANT_KILLED_CHANNEL_LEAKED
    if (by_itself || child->told)
#endif
#ifdef MUTANT_FULL_UNTIL_ONE_EXITS
    full = full && !by_itself;
#endif
    let_go(child);
    child->state = EMPTY;
#ifdef MUTANT_TAKES_TURNS
    drop_out((int)(child - pool));
#endif
}

static void connection_accepted(struct child *child)
{
    connected = true;
    connection_taken();
#ifdef MUTANT_K_AGAIN_AFTER_C
    if (child->told)
        child->state = IDLE; /* one state for all: what was known before is written over */
#endif
    if (child->state == IDLE) {
        child->state = BUSY;
        busy++;
    }
#ifdef MUTANT_PARENT_NUDGES_ALL
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state == IDLE)
            kill(pool[i].pid, SIGUSR1);
#endif
}

static void connection_serviced(struct child *child)
{
    child->served++;
#ifdef MUTANT_NEWBORN_GIFT
    if (child->gift >= 0)
        close(child->gift);
    child->gift = -1;
#endif
#ifdef MUTANT_K_AGAIN_AFTER_F
    if (child->told)
        child->state = IDLE; /* whatever it was */
#endif
    if (child->state == BUSY) {
        child->state = IDLE;
        busy--;
    }
    if (child->served >= connections_per_child())
        child->state = LEAVING; /* it ends by itself: not idle, and not to be told */
}

/* Nothing more will be heard of a child. Until it is reaped it is still alive, for max_children; and if it lives on,
 * its channel shut, it sees now that this end is closed, and goes. */
static void channel_ended(struct child *child)
{
#ifdef FREED_AT_END_OF_CHANNEL
    forget(child, true);
    return;
#endif
#ifdef MUTANT_KILLED_ZOMBIES
    if (child->state != LEAVING) {
        forget(child, false);
        return;
    }
#endif
#ifdef MUTANT_SPINS_ON_SHUT_CHANNEL
    child->state = LEAVING;
    child_ended = 1; /* and who has ended is reaped, its channel closed; until then the end stays readable */
    return;
#endif
    ended_for_idle += child->state == BUSY;
    bereaved = bereaved || child->state != LEAVING;
#ifdef MUTANT_KILLED_CHANNEL_LEAKED
    epoll_ctl(epoll, EPOLL_CTL_DEL, child->channel, NULL);
#else
    let_go(child);
#endif
#ifndef FREED_ONLY_BY_WAIT
    child->state = LEAVING;
#endif
}

static void hear(struct child *child)
{
#ifdef MUTANT_READS_BY_EDGE
    char bytes[4];
#else
    char bytes[64];
#endif
    ssize_t n = 0;
    if (child->state == EMPTY || child->channel < 0)
        return;
    while ((n = listen_to(child->channel, bytes, sizeof bytes)) > 0) {
        heard_any = true;
        bereaved = false;
#ifdef MUTANT_BURST_AS_ONE
        n = 1; /* "read(fd, buffer, sizeof buffer); if (buffer[0] == 'C') …" */
#endif
#ifdef MUTANT_ABORTS_ON_UNKNOWN
        for (ssize_t i = 0; i < n; i++)
            if (!strchr("CF", bytes[i]))
                abort(); /* default: assert(!"cannot happen") */
#endif
        for (ssize_t i = 0; i < n; i++) { /* what came together counts one by one; other bytes mean nothing */
#ifdef MUTANT_ANY_BYTE_TOGGLES
            bytes[i] = child->state == BUSY ? 'F' : 'C'; /* "busy = !busy;", since C and F come by turns */
#endif
#ifdef MUTANT_ALL_BUT_C_IS_F
            bytes[i] = bytes[i] == 'C' ? 'C' : 'F'; /* if (…) …; else …; */
#endif
            if (bytes[i] == 'C')
                connection_accepted(child);
            else if (bytes[i] == 'F')
                connection_serviced(child);
#ifdef MUTANT_UNKNOWN_ENDS_CHILD
            else
                kill(child->pid, SIGTERM); /* who knows what else it may do */
#endif
#ifdef MUTANT_UNKNOWN_HIDES_REST
            else
                break; /* meant for a switch */
#endif
        }
#ifdef MUTANT_READS_BY_EDGE
        return; /* one read a wake-up; what is left is told of with the next message */
#endif
    }
#ifdef MUTANT_RESET_KILLS_PARENT
    if (n < 0 && errno == ECONNRESET) { /* which is what comes of a K that was not read */
        perror("recv");
        exit(1);
    }
#endif
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        channel_ended(child);
}
