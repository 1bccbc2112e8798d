# epoll for a Perl that has no module for it: the system calls, by their numbers.
#
# Perl runs a handler not when its signal comes but ahead of its next operation, so that a wait that has just been begun
# would sleep over it. Hence a process blocks its signals, and lets them in by the wait itself.
package Epoll;

use strict;
use warnings;

use POSIX ();

use constant { EPOLLIN => 1, EPOLLEXCLUSIVE => 1 << 28, ADD => 1, DEL => 2, MOST => 64 };

# On x86-64 there is no gap between what happened and the key, so that 32-bit programs have the same.
my %MACHINES = (
    x86_64  => { create => 291, ctl => 233, pwait => 281, event => 'L Q' },
    aarch64 => { create => 20,  ctl => 21,  pwait => 22,  event => 'L x4 Q' },
);
my $calls = $MACHINES{ (POSIX::uname())[4] } or die "this machine's system calls are not known\n";
my $SIZE  = length pack $calls->{event}, 0, 0;

# syscall() passes a number as it is, and a string as a pointer; it wants to be able to write there.
sub new {
    my $fd = syscall $calls->{create}, 0;
    return $fd < 0 ? undef : bless { fd => $fd };
}

sub control {
    my ($self, $how, $handle, $events) = @_;
    my $event = pack $calls->{event}, $events, fileno $handle;
    return 0 == syscall $calls->{ctl}, $self->{fd}, $how, fileno $handle, $event;
}

sub add {
    my ($self, $handle) = @_;
    return $self->control(ADD, $handle, EPOLLIN);
}

# Of all the epolls that have it, only one is woken; on a kernel before 4.5, all of them.
sub add_exclusively {
    my ($self, $handle) = @_;
    return $self->control(ADD, $handle, EPOLLIN | EPOLLEXCLUSIVE) || ($!{EINVAL} && $self->add($handle));
}

sub remove {
    my ($self, $handle) = @_;
    return $self->control(DEL, $handle, 0);
}

# Lets signals in, and waits: milliseconds, or -1 for ever. Gives the descriptors that can be read.
sub wait {
    my ($self, $patience) = @_;
    my ($events, $nobody) = ("\0" x (MOST * $SIZE), pack 'Q', 0);
    my $count = syscall $calls->{pwait}, $self->{fd}, $events, MOST, $patience, $nobody, length $nobody;
    die "epoll_pwait: $!\n" if $count < 0 && !$!{EINTR};
    return map { (unpack $calls->{event}, substr $events, $_ * $SIZE, $SIZE)[1] } 0 .. $count - 1;
}

sub close {
    my ($self) = @_;
    return POSIX::close($self->{fd});
}

1;
