#!/usr/bin/perl
# control.group: its members may ask a running agent for its status, and for nothing else.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
plan skip_all => 'another user can be taken by root alone' if $>;
my ($nobody, $nogroup) = ((getpwnam 'nobody')[2], (getgrnam 'nogroup')[2]);
plan skip_all => 'there is no user nobody in a group nogroup' if !defined $nobody || !defined $nogroup;

my $dir = temp_dir();
chmod 0755, $dir;
my @socket = ('--set', "control.socket=$dir/socket");

sub replaying {
	my $run = start([agent(), 'replay', '--set', 'catalogue.dir=policies/catalogue', '--policies', 'policies', @socket, @_, '-'],
		stdin => "$dir/pipe");
	return $run;
}

sub as { # user, group, command
	my ($user, $group, @command) = @_;
	return run(['setpriv', "--reuid=$user", "--regid=$group", '--clear-groups', agent(), @command, @socket]);
}

sub with_agent {
	my ($test, @options) = @_;
	system "mkfifo $dir/pipe";
	my $keep = fork // die;
	if (!$keep) { # holds the pipe open
		open my $out, '>', "$dir/pipe";
		sleep 60;
		exit 0;
	}
	my $agent = replaying(@options);
	ok(wait_until(sub { -S "$dir/socket" }), 'an agent listens');
	wait_until(sub { run([agent(), 'status', @socket])->{code} == 0 });
	$test->();
	kill 'TERM', $agent->{pid}, $keep;
	waitpid $keep, 0;
	finish($agent);
	unlink "$dir/pipe", "$dir/socket";
}

SKIP: {
	skip 'nobody cannot run the agent here', 1 if !defined unprivileged();
	with_agent(sub {
		my $status = as($nobody, $nogroup, 'status');
		is($status->{code}, 0, 'a member of the group gets the status') or diag($status->{err});
		like($status->{out}, qr/^generation/, 'as everybody does');
		my $reload = as($nobody, $nogroup, 'reload');
		is($reload->{code}, 1, 'but may not reload');
		like($reload->{err}, qr/may ask for the status/, 'and is told so');
		is(as($nobody, $nogroup, 'findings')->{code}, 1, 'nor read findings');
		is(as($nobody, $nobody == 12 ? 13 : 12, 'status')->{code}, 1, 'who is not in it gets nothing');
		is(run([agent(), 'reload', @socket])->{code}, 0, 'root may all');
	}, '--set', 'control.group=nogroup');
	with_agent(sub {
		is(as($nobody, $nogroup, 'status')->{code}, 1, 'without a group root alone is answered');
	});
}
my $run = run([agent(), 'replay', @socket, '--set', 'control.group=no-such-group', '-'], stdin => '/dev/null');
is($run->{code}, 1, 'a group that there is not');
like($run->{err}, qr/no group 'no-such-group' \(control\.group\)/, 'is named');
ok(!-e "$dir/socket", 'and no socket is left');
done_testing;
