/* Child. What it says to its parent, C and F by turns, and what it is told: K, or nothing more, as the parent has gone. */

static int channel;

/* Children left behind by a mutant are not left for ever. In place of the channel stands something that never speaks. */
static void carry_on_alone(void)
{
    alarm(60);
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), channel);
}

/* A child's stream is (CF)*, so two counts say which letter is next. A parent that is stopped may leave the
 * channel full (278 messages): the rest is sent when it takes them again, and no client waits for that. */
static long said, sent;

static void send_what_was_said(void)
{
    for (; sent < said; sent++) {
        const char *letter = sent % 2 ? "F" : "C";
#ifdef MUTANT_A_FOR_C
        letter = sent % 2 ? "F" : "A"; /* "accepted" */
#endif
#ifdef MUTANT_C_TWICE
        letter = sent % 2 ? "F" : "CC";
#endif
#ifdef MUTANT_NEWLINE
        letter = sent % 2 ? "F\n" : "C\n"; /* dprintf(channel, "C\n") */
#endif
#ifdef MUTANT_NO_C
        if (sent % 2 == 0)
            continue;
#endif
#ifdef MUTANT_NO_F
        if (sent % 2)
            continue;
#endif
        if (speak(channel, letter, strlen(letter)) == (ssize_t)strlen(letter))
            continue;
#ifdef MUTANT_ENDS_ON_FULL_CHANNEL
        if (errno == EAGAIN)
            _exit(1); /* "if (send(…) < 0) { perror("send"); exit(1); }" */
#endif
#ifdef MUTANT_DROPS_ON_FULL_CHANNEL
        if (errno == EAGAIN)
            continue;
#endif
#ifdef MUTANT_BUSY_ORPHAN_SERVES_ON
        if (errno == EPIPE) { /* a channel that is broken is one to get rid of */
            carry_on_alone();
            sent = said;
        }
#endif
        return;
    }
}

static void say(void)
{
    said++;
    send_what_was_said();
}

/* A client may be silent for as long as it likes. What is unsent, C of this very one perhaps, is not to wait for it. */
static void send_while_silent(int client)
{
    (void)client;
#ifndef MUTANT_KEEPS_REST_FOR_NEXT
    struct pollfd word = {.fd = client, .events = POLLIN};
    while (sent < said && poll(&word, 1, 50) <= 0)
        send_what_was_said();
#endif
}

#ifdef MUTANT_NO_F_AFTER_RESET
/* F, by the count, and not on the channel. */
static void swallow_f(void)
{
    sent += sent == said;
    said++;
}
#endif

static bool orphaned; /* and does not end at once: mutants only */
static pid_t parent;  /* for mutants that ask for it */

#ifdef MUTANT_SHEDS_BY_SIGNAL
static volatile sig_atomic_t told_by_signal; /* parent.h */
#endif

static bool told_to_end(void)
{
    char bytes[16];
#ifdef MUTANT_SHEDS_BY_SIGNAL
    if (told_by_signal)
        return true;
#endif
#ifdef MUTANT_RESET_KILLS_PARENT
    return recv(channel, bytes, 1, MSG_PEEK | MSG_DONTWAIT) >= 0; /* whatever it is, it is the end; nobody need read it */
#endif
    ssize_t n = listen_to(channel, bytes, sizeof bytes);
#ifdef MUTANT_K_IGNORED
    return n == 0;
#endif
#ifdef MUTANT_ANY_BYTE_ENDS
    return n >= 0; /* nobody ever says anything else */
#endif
#if defined MUTANT_TERM_LEAVES_CHILDREN || defined MUTANT_TERM_FORGETS_ONE || defined MUTANT_ORPHANS_SERVE_ON
    if (n == 0) { /* the parent has gone, and this child carries on */
        carry_on_alone();
        return false;
    }
#endif
#ifdef MUTANT_ORPHAN_ENDS_AFTER_NEXT
    if (n == 0) {
        carry_on_alone();
        orphaned = true; /* which is looked at after the next connection */
        return false;
    }
#endif
#ifdef MUTANT_ORPHAN_LEAVES_HELPER
    if (n == 0)
        leave_a_child_behind(); /* to clean up; it has the listening socket, as all have */
#endif
#ifdef MUTANT_CHILD_SPINS_ON_ENDED_CHANNEL
    if (n == 0 && getppid() == parent) /* to make sure; and the end stays readable */
        return false;
#endif
#ifdef MUTANT_K_IGNORED_WHEN_NEW
    if (n > 0 && said == 0)
        return false; /* nobody is sent home before the first day is over */
#endif
#ifdef MUTANT_ANSWERS_UNKNOWN
    if (n > 0 && !memchr(bytes, 'K', (size_t)n))
        speak(channel, "?", 1);
#endif
#ifdef MUTANT_SMALL_K_ENDS
    return n == 0 || (n > 0 && (memchr(bytes, 'K', (size_t)n) || memchr(bytes, 'k', (size_t)n)));
#endif
#ifdef MUTANT_LOOKS_AT_FIRST_BYTE
    return n == 0 || (n > 0 && bytes[0] == 'K'); /* "recv(fd, buffer, sizeof buffer, 0); if (buffer[0] == 'K') …" */
#endif
    return n == 0 || (n > 0 && memchr(bytes, 'K', (size_t)n));
}
