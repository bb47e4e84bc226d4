# The systemd unit, and a command that runs a program under it as far as that goes without systemd: its
# capabilities, system calls, address families, namespaces, and a network of its own.
package Sense::Unit;
use strict;
use warnings;
use Exporter 'import';
use Sense;

our @EXPORT = qw(unit_read unit_words unit_confined);
use constant FILE => 'contrib/systemd/sense-agent.service';

my %family = (AF_UNIX => 1, AF_INET => 2, AF_INET6 => 10, AF_NETLINK => 16, AF_PACKET => 17);
my %namespace = (uts => 0x04000000, ipc => 0x08000000, user => 0x10000000, net => 0x40000000);

# { Section => { Key => [values] } }; lines that are neither are in { odd }.
sub unit_read {
	my (%unit, $section);
	for (split /\n/, slurp(FILE)) {
		next if /^(?:#.*)?$/;
		if (/^\[(\w+)\]$/) { $section = $1 }
		elsif (/^(\w+)=(.*)$/ && $section) { push @{ $unit{$section}{$1} }, $2 }
		else { push @{ $unit{odd} }, $_ }
	}
	return \%unit;
}

sub unit_words { return map { split ' ' } @{ $_[0]{Service}{ $_[1] } // [] } }

# Names of system calls, groups taken apart.
sub calls {
	my (@open, %names) = @_;
	while (defined(my $name = shift @open)) {
		if ($name !~ /^@/) { $names{$name} = 1; next }
		push @open, map { /^\s+([\@\w-]+)\s*$/ ? $1 : () } split /\n/, qx(systemd-analyze --no-pager syscall-filter $name);
	}
	return keys %names;
}

# The words before a program; dir: a temporary folder. Nothing: that cannot be had here.
sub unit_confined {
	my ($dir) = @_;
	my $unit = unit_read();
	return if $> || grep { system "command -v $_ >/dev/null 2>&1" } qw(cc setpriv unshare systemd-analyze);
	return if system 'cc', '-w', '-o', "$dir/confine", 't/50-agent/confine.c', '-lseccomp';
	my %calls;
	for (@{ $unit->{Service}{SystemCallFilter} }) {
		my $passes = !/^~/;
		$calls{$_} = $passes for calls(split ' ', s/^~//r);
	}
	my $caps = join ',', '-all', map { '+' . lc s/^CAP_//r } unit_words($unit, 'CapabilityBoundingSet');
	$ENV{SERVICE_FAMILIES} = join ' ', '', (map { $family{$_} } unit_words($unit, 'RestrictAddressFamilies')), '';
	$ENV{SERVICE_NAMESPACES} = join ' ', '', (map { $namespace{$_} } unit_words($unit, 'RestrictNamespaces')), '';
	my @command = ('unshare', '-n', 'setpriv', '--no-new-privs', '--inh-caps=-all', "--bounding-set=$caps", "$dir/confine",
		(sort grep { $calls{$_} } keys %calls), '--');
	return run([ @command, "/bin/true" ])->{code} ? () : @command;
}

1;
