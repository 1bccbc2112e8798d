#!/usr/bin/perl
# A pre-forking server in Perl: prefork.pl PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]
#
# It needs nothing but perl-base. The parent takes one step at a time, a birth or a K, and listens between any two.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use prefork_epoll;
use POSIX qw(:signal_h :sys_wait_h);
use Socket qw(:DEFAULT MSG_DONTWAIT MSG_NOSIGNAL SHUT_WR SOCK_NONBLOCK);

use constant AGAIN        => 100;      # milliseconds until what was refused, or found no room, is tried again
use constant BACKLOG      => 1024;
use constant LONGEST_HEAD => 16_384;

my $OURS = POSIX::SigSet->new(SIGCHLD, SIGTERM, SIGINT);
my ($port, $low, $high, $connections, $limit) = arguments(@ARGV);
my $listener = listener($port);

# ---- child: accepts for itself, one connection at a time, and says so

my $channel;
my $unsaid = '';    # while the parent is stopped the channel holds 278 words; no client is to wait for the rest

sub speak {
    my ($word) = @_;
    $unsaid .= $word;
    my $sent = length $unsaid && send $channel, $unsaid, MSG_DONTWAIT | MSG_NOSIGNAL;
    substr $unsaid, 0, $sent, '' if $sent;
    return;
}

# K has come, or the end of the channel: the parent has gone, or has let go of this child.
sub dismissed {
    defined recv $channel, my $words, 16, MSG_DONTWAIT or return !$!{EAGAIN};
    return $words eq '' || $words =~ /K/;
}

sub readable {
    my ($handle, $seconds) = @_;
    my $who = '';
    vec($who, fileno $handle, 1) = 1;
    return select($who, undef, undef, $seconds) > 0;
}

sub reply {
    my ($status, $body) = @_;
    my $length = length $body;
    return "HTTP/1.1 $status\r\nContent-Length: $length\r\nConnection: close\r\n\r\n$body";
}

sub answer_to {
    my ($head) = @_;
    return reply('431 Request Header Fields Too Large', '') if length $head >= LONGEST_HEAD;
    return reply('200 OK', "perl\n") if $head =~ m{\A(?:\r?\n)*GET [!-~]+ HTTP/1\.[0-9]\r?\n};
    return reply('400 Bad Request', '');
}

sub serve {
    my ($client) = @_;
    my ($head, $piece) = ('', '');
    until ($head =~ /\S\r?\n\r?\n/ || length $head >= LONGEST_HEAD) {
        # A silent client keeps its child for as long as it likes, but not what the child has to say.
        speak('');
        next if $unsaid ne '' && !readable($client, AGAIN / 1000);
        if (!defined recv $client, $piece, 4096, 0) {
            next if $!{EINTR};
            return;
        }
        return if $piece eq '';
        $head .= $piece;
    }
    send $client, answer_to($head), MSG_NOSIGNAL;    # fits into any socket's buffer

    # A close with bytes unread is a reset, which may overtake the reply: so they are read, for a while.
    shutdown $client, SHUT_WR;
    for (1 .. 50) {
        last if !readable($client, 0.1);
        last if !defined recv($client, $piece, 65_536, 0) || $piece eq '';
    }
    return;
}

sub accepted {
    my $client;
    return $client if accept $client, $listener;

    # No descriptors, say: the connection stays, and the next wait would end at once.
    select undef, undef, undef, AGAIN / 1000 if !$!{EAGAIN} && !$!{ECONNABORTED};
    return;
}

sub live {
    my $own = Epoll->new or die "prefork.pl: epoll_create1: $!\n";
    $own->add($channel) && $own->add_exclusively($listener) or die "prefork.pl: epoll_ctl: $!\n";
    my ($left, $over) = ($connections, 0);
    while ($left > 0 && !$over) {
        $own->wait($unsaid eq '' ? -1 : AGAIN);
        speak('');
        $over = dismissed();

        # Even so: a connection wakes one child. If it was this one, and it just went, the connection would wait
        # among idle children until the next one comes.
        my $client = accepted() or next;
        speak('C');
        serve($client);
        close $client;
        speak('F');
        $left--;
    }

    # Now that no client waits, the rest may take its time; where the parent has gone, nobody wants to know.
    while ($unsaid ne '') {
        my $sent = send $channel, $unsaid, MSG_NOSIGNAL;
        last if !defined $sent && !$!{EINTR};
        substr $unsaid, 0, $sent, '' if $sent;
    }
    return;
}

# ---- parent: hears what the children say, and keeps the idle ones within the bounds

my (%children, %heard_on);    # the same, by pid until they are reaped, and by descriptor while there is a channel
my $births     = 0;
my $not_before = 0;           # no birth before that: the last was refused, or its child could not set itself up
my ($ended, $asked_to_end) = (0, 0);
my $events;

# Milliseconds since whenever; time() may be set back, and perl-base has no other clock.
sub now { return (POSIX::times())[0] * 1000 / POSIX::sysconf(POSIX::_SC_CLK_TCK) }

sub spawn {
    socketpair my $mine, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC or return 0;
    my $pid = fork;
    return 0 if !defined $pid;
    become_child($mine, $its) if $pid == 0;
    my $child = { pid => $pid, channel => $mine, state => 'idle', served => 0, birth => $births++ };
    $children{$pid} = $heard_on{ fileno $mine } = $child;
    $events->add($mine) or let_go($child);
    return 1;
}

# The newborn. Whatever happens, it must not come back into the parent's loop.
sub become_child {
    my ($parents, $its) = @_;

    # Copies of its siblings' channels would hide the parent's death from them.
    close $_ for $parents, map { $_->{channel} } values %heard_on;
    $events->close;
    @SIG{qw(CHLD TERM INT)} = ('DEFAULT') x 3;
    sigprocmask(SIG_UNBLOCK, $OURS);    # with what came meanwhile: it is this one's alone
    $channel = $its;
    my $sound = eval { live(); 1 };
    print {*STDERR} $@ if !$sound;
    POSIX::_exit($sound ? 0 : 1);
}

sub hear {
    my ($child) = @_;
    my $came = recv $child->{channel}, my $words, 256, MSG_DONTWAIT;
    return if !defined $came && $!{EAGAIN};
    return let_go($child) if !defined $came || $words eq '';    # undefined: a reset, where a K was left unread
    for my $word (split //, $words) {
        my $state = $child->{state};
        if ($word eq 'C' && $state eq 'idle') {
            $child->{state} = 'busy';
        }
        elsif ($word eq 'F' && $state eq 'busy') {
            $child->{state} = ++$child->{served} < $connections ? 'idle' : 'leaving';
        }
    }
    return;
}

# Nothing more is heard of it. If it lives on, it sees the end of its channel, and goes.
sub let_go {
    my ($child) = @_;
    $child->{state} = 'leaving';
    my $mine = delete $child->{channel} or return;

    # To close it is not enough: a newborn that is stopped just now has a copy, which would stay in the epoll, ready.
    $events->remove($mine);
    delete $heard_on{ fileno $mine };
    close $mine;
    return;
}

# SIGCHLD also comes for those that were only stopped: nobody is waited for.
sub reap {
    $ended = 0;
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        my $failed = $? >> 8;
        my $child = delete $children{$pid} or next;
        let_go($child);
        $not_before = now() + AGAIN if $failed;
    }
    return;
}

# At most one step. Gives how long may be waited before the next: for ever, where only news can make one due.
sub regulate {
    my @idle = grep { $_->{state} eq 'idle' } values %children;
    if (@idle > $high) {

        # The youngest: connections wake the eldest, so this one is the least likely to be woken just now.
        my ($youngest) = sort { $b->{birth} <=> $a->{birth} } @idle;
        send $youngest->{channel}, 'K', MSG_DONTWAIT | MSG_NOSIGNAL;
        $youngest->{state} = 'leaving';
        return 0;
    }
    return -1 if @idle >= $low || keys %children >= $limit;
    my $wait = $not_before - now();
    return $wait if $wait > 0;
    return 0 if spawn();
    $not_before = now() + AGAIN;
    return AGAIN;
}

sub finish {
    kill TERM => keys %children;
    for my $round (1 .. 200) {
        reap();
        exit 0 if !%children;
        kill KILL => keys %children if $round == 100;
        select undef, undef, undef, 0.01;
    }
    exit 1;
}

sub run {
    @SIG{qw(TERM INT)} = (sub { $asked_to_end = 1 }) x 2;
    $SIG{CHLD} = sub { $ended = 1 };
    sigprocmask(SIG_BLOCK, $OURS);
    $events = Epoll->new or die "prefork.pl: epoll_create1: $!\n";
    while (1) {
        my $patience = regulate();
        for my $descriptor ($events->wait($patience)) {
            hear($heard_on{$descriptor}) if $heard_on{$descriptor};
        }
        finish() if $asked_to_end;
        reap()   if $ended;
    }
    return;
}

# ---- start

sub refuse {
    print {*STDERR} "prefork.pl: @_\n";
    exit 2;
}

sub arguments {
    my @given = @_ == 4 ? (@_, 200) : @_;
    refuse('usage: prefork.pl PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]') if @given != 5;
    for my $given (@given) {
        refuse("not a positive number: $given") if $given !~ /\A0*[1-9][0-9]{0,8}\z/;
    }
    my @numbers = map { 0 + $_ } @given;
    refuse("no such port: $numbers[0]") if $numbers[0] > 65_535;
    refuse("MAX_SPARE is less than MIN_SPARE: $numbers[2]") if $numbers[2] < $numbers[1];
    refuse("MAX_CHILDREN is less than MIN_SPARE: $numbers[4]") if $numbers[4] < $numbers[1];
    return @numbers;
}

sub listener {
    my ($port) = @_;

    # In a blocking accept, who lost the race for a connection would sleep, deaf to K.
    socket my $socket, PF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0 or refuse("socket: $!");
    setsockopt $socket, SOL_SOCKET, SO_REUSEADDR, 1;
    bind $socket, pack_sockaddr_in($port, INADDR_ANY) or refuse("port $port: $!");
    listen $socket, BACKLOG or refuse("port $port: $!");
    return $socket;
}

run();
