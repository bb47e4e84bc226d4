# A sense-server with stores and a CA of its own, agents that sense-load simulates, and the ways in which both can be
# hurt. All on the loopback and in a temporary directory; what was started is ended, and waiting is bounded.
#
#   use lib 't/lib'; use Load;
#   need_load();
#   my $fleet = fleet_start();                       { dir, port, pid, ... }
#   my $load = load_start($fleet, '--agents', 40, ...); a handle for finish()
#   my $report = load_report(finish($load));         what --json prints
#   fleet_same($fleet, $ids);                        findings of the database are those of the file
#   fleet_stop($fleet);
package Load;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes ();
use Sense;

our @EXPORT = qw(need_load fleet_start fleet_begin fleet_stop fleet_kill fleet_members fleet_sql fleet_log fleet_ready
    fleet_same fleet_settle fleet_server load_start load_command load_report descendants free_port);

my $patience = 90; # seconds
my (@fleets, @loads);
my $owner = $$;

sub need_load {
	for my $program (build() . '/sense-server', build() . '/sense-load', '/usr/lib/postgresql/15/bin/postgres',
		'/usr/bin/redis-server')
	{
		plan(skip_all => "$program is not there") unless -x $program;
	}
	delete @ENV{ grep { /^SENSE_/ && !/^SENSE_(?:BUILD|TEST_)/ } keys %ENV };
}

sub free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or BAIL_OUT("no port: $!");
	return $socket->sockport;
}

# ---- processes -------------------------------------------------------------------------------------------------

# All processes below these, with them: id => name.
sub descendants {
	my (@roots) = @_;
	my (%parent, %name, %found);
	for my $file (glob '/proc/[0-9]*/stat') {
		open my $in, '<', $file or next;
		my $line = <$in> // next;
		$line =~ /^(\d+) \((.*)\) (\S) (\d+)/s or next;
		next if $3 eq 'Z';
		($parent{$1}, $name{$1}) = ($4, $2);
	}
	$found{$_} = $name{$_} for grep { exists $name{$_} } @roots;
	for (my $more = 1; $more;) {
		$more = 0;
		for my $pid (keys %parent) {
			next if $found{$pid} || !$found{ $parent{$pid} };
			$found{$pid} = $name{$pid};
			$more = 1;
		}
	}
	return \%found;
}

# Ids of the server's processes whose name matches.
sub fleet_members {
	my ($fleet, $name) = @_;
	my $all = descendants($fleet->{pid});
	my @members = sort { $a <=> $b } grep { $all->{$_} =~ $name } keys %$all;
	return @members;
}

# ---- the server ------------------------------------------------------------------------------------------------

# Options: set => [KEY=VALUE], dir => where; not_ready => 1: does not wait for it.
sub fleet_start {
	my (%with) = @_;
	my $fleet = { set => $with{set} // [], dir => $with{dir} // temp_dir(), port => $with{port} // free_port() };
	$fleet->{data} = "$fleet->{dir}/data";
	$fleet->{conninfo} = $with{conninfo} // "host=$fleet->{data}/run user=sense dbname=sense";
	push @fleets, $fleet;
	fleet_begin($fleet) or BAIL_OUT('the server does not start: ' . fleet_log($fleet));
	return $fleet;
}

# Starts it (again). True when it is ready.
sub fleet_begin {
	my ($fleet) = @_;
	spew("$fleet->{dir}/server.lua", '');
	my @set = ("server.dir=$fleet->{data}", "server.listen=127.0.0.1:$fleet->{port}", 'server.workers=2',
		'server.per_address=10000', @{ $fleet->{set} });
	my $handle = start([build() . '/sense-server', 'run', '-c', "$fleet->{dir}/server.lua", map { ('--set', $_) } @set]);
	$fleet->{handle} = $handle;
	$fleet->{pid} = $handle->{pid};
	return wait_until(sub { fleet_log($fleet) =~ /"ready: / || !descendants($fleet->{pid})->{ $fleet->{pid} } }, $patience)
	    && fleet_log($fleet) =~ /"ready: /;
}

sub fleet_log {
	my ($fleet) = @_;
	my $file = "$fleet->{handle}{dir}/err";
	return -e $file ? slurp($file) : '';
}

# It says so itself.
sub fleet_ready {
	my ($fleet, $seconds) = @_;
	return wait_until(sub {
		my $run = run(['curl', '-sS', '--max-time', 5, '--cacert', "$fleet->{data}/ca.pem", '-o', '/dev/null', '-w',
			'%{http_code}', "https://localhost:$fleet->{port}/readyz"]);
		return 1 if $run->{out} eq '200';
		Time::HiRes::sleep(0.1);
		return 0;
	}, $seconds // $patience);
}

# kill -9 to all of it at the same moment, stores and all: none has the time to start another, or to end in order. spare:
# ids of some that stay, and are held.
sub fleet_kill {
	my ($fleet, @spare) = @_;
	my (%held, @new);
	do {
		my $all = descendants($fleet->{pid}, keys %held);
		@new = grep { !$held{$_}++ } keys %$all;
		kill 'STOP', @new;
	} while (@new);
	delete @held{@spare};
	kill 'KILL', keys %held;
	waitpid $fleet->{pid}, 0;
	return wait_until(sub { !grep { -e "/proc/$_" } keys %held }, 30);
}

sub fleet_stop {
	my ($fleet) = @_;
	my $all = descendants($fleet->{pid});
	kill 'TERM', $fleet->{pid};
	my $run;
	my $ended = wait_until(sub { waitpid($fleet->{pid}, POSIX::WNOHANG()) != 0 }, $patience);
	my $code = $ended ? $? : -1;
	fleet_kill($fleet) if !$ended;
	my @left = grep { -e "/proc/$_" } keys %$all;
	kill 'KILL', @left if !wait_until(sub { !grep { -e "/proc/$_" } @left }, 30);
	@fleets = grep { $_ != $fleet } @fleets;
	return $code;
}

# What a command of sense-server prints about this one; dies when it fails.
sub fleet_server {
	my ($fleet, @command) = @_;
	my $run = run([build() . '/sense-server', @command, '-c', "$fleet->{dir}/server.lua", '--set',
		"server.dir=$fleet->{data}"]);
	die "sense-server @command: $run->{err}\n" if $run->{code};
	chomp $run->{out};
	return $run->{out};
}

# The statement's rows, columns with | between. quiet: the database may be away.
sub fleet_sql {
	my ($fleet, $statement, $quiet) = @_;
	my $run = run(['psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $fleet->{conninfo}, '-c', $statement]);
	diag($run->{err}) if $run->{code} && !$quiet;
	my $text = $run->{out};
	chomp $text;
	return $text;
}

# ---- agents ----------------------------------------------------------------------------------------------------

sub load_command {
	my ($fleet, @options) = @_;
	my @server = grep({ $_ eq '--server' } @options) ? () : ('--server', "127.0.0.1:$fleet->{port}");
	return [build() . '/sense-load', @server, '--ca-dir', $fleet->{data}, '--database', $fleet->{conninfo}, '--json',
		@options];
}

sub load_start {
	my ($fleet, @options) = @_;
	my $load = start(load_command($fleet, @options));
	push @loads, $load->{pid};
	return $load;
}

sub load_report {
	my ($run) = @_;
	my $report = eval { JSON::PP->new->utf8->decode($run->{out}) };
	diag("sense-load ended with $run->{code}: $run->{err}") if !$report;
	return $report // {};
}

# The findings of the database are those that were generated, each once. ids: files of --ids.
sub fleet_same {
	my ($fleet, $name, @ids) = @_;
	my %times;
	$times{$_}++ for split /\n/, fleet_sql($fleet, 'SELECT id FROM sense.findings');
	my $rows = 0;
	$rows += $_ for values %times;
	my (%wanted, $unacknowledged);
	for my $line (map { split /\n/, slurp($_) } @ids) {
		my ($id, $how) = split / /, $line;
		$wanted{$id} = 1;
		$unacknowledged++ if $how ne 'acknowledged';
	}
	my @lost = grep { !$times{$_} } keys %wanted;
	my @strange = grep { !$wanted{$_} } keys %times;
	my @doubled = grep { $times{$_} > 1 } keys %times;
	ok(!$unacknowledged, "$name: all that were generated were acknowledged");
	is(scalar @lost, 0, "$name: none of " . keys(%wanted) . ' findings is lost');
	is(scalar @doubled, 0, "$name: none is there twice");
	is(scalar @strange, 0, "$name: and there are no others");
	return $rows;
}

# Ends the load, lets its agents get rid of what they have, and looks whether all of it is in the database, once. More
# fleets: others that lead to the same database. agents: the options by which the load was started, with --state.
sub fleet_settle {
	my ($fleet, $name, $load, @agents) = @_;
	kill 'TERM', $load->{pid};
	finish($load);
	my $ids = "$fleet->{dir}/ids";
	my $end = finish(load_start($fleet, @agents, '--seconds', 0.01, '--drain', 120, '--ids', $ids));
	my $report = load_report($end);
	is($end->{code}, 0, "$name: all are acknowledged in the end") or diag(explain($report), fleet_log($fleet));
	is($report->{lost}, 0, "$name: the server never went back behind what it had acknowledged");
	is($report->{doubled}, 0, "$name: and never went beyond what was sent");
	my $rows = fleet_same($fleet, $name, $ids);
	is($report->{refused} + fleet_sql($fleet, 'SELECT count(*) FROM sense.findings_quarantine'), 0,
		"$name: none was set aside");
	my $counted = fleet_sql($fleet, 'SELECT (SELECT coalesce(sum(findings), 0) FROM sense.findings_hourly) + '
		. '(SELECT coalesce(sum(findings), 0) FROM sense.findings_hourly_new)');
	is($counted, $rows, "$name: the counts by the hour agree");
	return $rows;
}

# ---- the end ---------------------------------------------------------------------------------------------------

END {
	my $code = $?;
	if ($$ == $owner) {
		kill 'KILL', grep { (descendants($_)->{$_} // '') eq 'sense-load' } @loads;
		fleet_stop($_) for @fleets;
	}
	$? = $code;
}

$SIG{$_} //= sub { exit 1 } for qw(INT TERM HUP);

1;
