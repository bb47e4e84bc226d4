# A PostgreSQL 15 and a Redis 7 of a test's own: in a folder that is removed at the end, on unix sockets only, as a
# user without privileges. Starting and stopping are bounded in time.
package Postgres;
use strict;
use warnings;
use Exporter 'import';
use File::Path ();
use File::Temp ();
use POSIX ();
use Test::More;
use Time::HiRes;

our @EXPORT = qw(need_postgres need_redis);

my $bin = '/usr/lib/postgresql/15/bin';
my $patience = 60; # seconds
my @running;
my $owner = $$;

sub need_postgres {
	plan skip_all => 'PostgreSQL 15 is not installed' unless -x "$bin/postgres";
}

sub need_redis {
	plan skip_all => 'Redis is not installed' unless -x '/usr/bin/redis-server';
}

# Whom both run as: initdb refuses root.
sub user {
	return () if $>;
	for my $name (qw(postgres nobody)) {
		my (undef, undef, $uid, $gid) = getpwnam $name;
		return ($uid, $gid) if $uid;
	}
	BAIL_OUT('there is no user without privileges to run PostgreSQL as');
}

sub spawn {
	my ($log, @command) = @_;
	my ($uid, $gid) = user();
	my $pid = fork // BAIL_OUT("fork: $!");
	return $pid if $pid;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $log or POSIX::_exit(127);
	open STDERR, '>&', \*STDOUT;
	POSIX::setsid();
	if (defined $uid) {
		$( = $gid;
		$) = "$gid $gid";
		POSIX::setuid($uid);
	}
	chdir '/';
	$ENV{LC_ALL} = 'C.UTF-8';
	exec { $command[0] } @command or POSIX::_exit(127);
}

# True when it has ended within so many seconds.
sub ended {
	my ($pid, $seconds) = @_;
	my $until = Time::HiRes::time() + $seconds;
	do {
		return 1 if waitpid($pid, POSIX::WNOHANG()) != 0;
		Time::HiRes::sleep(0.02);
	} while (Time::HiRes::time() < $until);
	return 0;
}

sub log_text {
	my ($self) = @_;
	open my $in, '<', $self->{log} or return '';
	local $/;
	return <$in>;
}

# Postgres->new(fsync => 0, redis => 1, settings => { max_connections => 20 })
sub new {
	my ($class, %options) = @_;
	# File::Temp's own name is short: a socket's path has 107 bytes at most.
	my $dir = File::Temp::tempdir('sense-pg-XXXXXX', TMPDIR => 1, CLEANUP => 0);
	my ($uid, $gid) = user();
	my $self = bless { dir => $dir, log => "$dir/log", options => \%options, owner => $$ }, $class;
	push @running, $self;
	open my $log, '>', $self->{log} or BAIL_OUT("$self->{log}: $!");
	chown $uid, $gid, $dir, $self->{log} if defined $uid;
	chmod 0755, $dir;
	length("$dir/.s.PGSQL.5432") <= 107 or BAIL_OUT("$dir is too long for a socket");
	my $pid = spawn($self->{log}, "$bin/initdb", '-D', "$dir/data", '--username=sense', '--auth-local=trust',
		'--auth-host=reject', '--encoding=UTF8', '--locale=C.UTF-8', '--no-instructions', '--no-sync');
	ended($pid, $patience) or do { kill KILL => $pid; waitpid $pid, 0 };
	-e "$dir/data/PG_VERSION" or BAIL_OUT('initdb failed: ' . $self->log_text);
	$self->start;
	$self->sql('CREATE DATABASE sense', 'postgres');
	$self->start_redis if $options{redis};
	return $self;
}

sub dir { return $_[0]{dir} }
sub conninfo { return "host=$_[0]{dir} user=sense dbname=" . ($_[1] // 'sense') }
sub redis_path { return "$_[0]{dir}/redis.sock" }
sub pid { return $_[0]{pid} }

sub start {
	my ($self) = @_;
	my %settings = (
		listen_addresses => '', unix_socket_directories => $self->{dir}, max_connections => 50,
		fsync => ($self->{options}{fsync} // 1) ? 'on' : 'off', timezone => 'UTC', jit => 'off',
		%{ $self->{options}{settings} // {} });
	$self->{pid} = spawn($self->{log}, "$bin/postgres", '-D', "$self->{dir}/data",
		map { ('-c', "$_=$settings{$_}") } sort keys %settings);
	my $until = time + $patience;
	until (system("$bin/pg_isready -q -h $self->{dir} -t 5 -U sense -d postgres") == 0) {
		BAIL_OUT('PostgreSQL does not start: ' . $self->log_text) if ended($self->{pid}, 0.05) || time > $until;
	}
	return $self;
}

# How: fast (INT), immediate (QUIT: as a crash), or kill (kill -9 of the first process).
sub stop {
	my ($self, $how) = @_;
	return if !$self->{pid};
	kill { fast => 'INT', immediate => 'QUIT', kill => 'KILL' }->{ $how // 'fast' }, $self->{pid};
	ended($self->{pid}, $patience) or do { kill KILL => $self->{pid}; waitpid $self->{pid}, 0 };
	$self->{pid} = undef;
	return $self;
}

# The statement's rows, as psql writes them unaligned: columns with | between.
sub sql {
	my ($self, $statement, $database) = @_;
	open my $out, '-|', "$bin/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $self->conninfo($database),
	    '-c', $statement or BAIL_OUT("psql: $!");
	my $text = join '', <$out>;
	close $out;
	chomp $text;
	return $text;
}

sub start_redis {
	my ($self) = @_;
	$self->{redis} = spawn($self->{log}, '/usr/bin/redis-server', '--port', 0, '--unixsocket', $self->redis_path,
		'--unixsocketperm', 777, '--dir', $self->{dir}, '--daemonize', 'no', '--save', '', '--appendonly', 'yes');
	my $until = time + $patience;
	until ($self->redis('PING') eq 'PONG') {
		BAIL_OUT('Redis does not start: ' . $self->log_text) if ended($self->{redis}, 0.05) || time > $until;
	}
	return $self;
}

sub stop_redis {
	my ($self, $how) = @_;
	return if !$self->{redis};
	kill(($how // '') eq 'kill' ? 'KILL' : 'TERM', $self->{redis});
	ended($self->{redis}, $patience) or do { kill KILL => $self->{redis}; waitpid $self->{redis}, 0 };
	$self->{redis} = undef;
	return $self;
}

# What redis-cli answers.
sub redis {
	my ($self, @command) = @_;
	my $quoted = join ' ', map { "'$_'" } @command;
	my $text = `redis-cli -s $self->{dir}/redis.sock $quoted 2>/dev/null` // '';
	chomp $text;
	return $text;
}

sub end {
	my ($self) = @_;
	return if $self->{owner} != $$ || $self->{ended}++;
	$self->stop_redis('kill');
	$self->stop('immediate');
	File::Path::remove_tree($self->{dir});
}

END {
	my $status = $?;
	if ($$ == $owner) {
		$_->end for @running;
	}
	$? = $status;
}

$SIG{$_} //= sub { exit 1 } for qw(INT TERM HUP);

1;
