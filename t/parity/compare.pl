#!/usr/bin/perl
# Compares the flows of `sense-agent replay --flows CAPTURE` with those of `ndpiReader -v 2 -C CSV`.
#
#   t/parity/compare.pl [-v] OURS.json THEIRS.csv [OURS THEIRS]...
#   t/parity/compare.pl [-v] --run 'AGENT replay --flows' CAPTURE...     makes both lists itself
#
# A flow is its 5-tuple, either way round (the CSV has no VLAN; flows that differ in it alone are
# paired by their packet counts). Prints `flows N identical N differ N percent P`, then the
# differences by class: missing, extra, protocol (wanted -> found), packets, bytes. With -v each one.
# Exits 0 when it could compare, whatever came out.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Socket qw(inet_pton inet_ntop AF_INET6);

my ($verbose, $command);
while (@ARGV && $ARGV[0] =~ /^-/) {
	my $option = shift;
	if ($option eq '-v') { $verbose = 1 }
	elsif ($option eq '--run') { $command = shift }
	else { die "usage: compare.pl [-v] [--run COMMAND CAPTURE... | OURS THEIRS...]\n" }
}

# ndpiReader replaces each ":0:" of an IPv6 address by "::", also where there is a "::" already.
sub address {
	my ($ip) = @_;
	return $ip unless $ip =~ /:/;
	my $packed = inet_pton(AF_INET6, $ip);
	$ip = inet_ntop(AF_INET6, $packed) if $packed;
	$ip =~ s/:0:/::/g;
	return $ip;
}

sub key {
	my ($l4, $src, $src_port, $dst, $dst_port) = @_;
	return join " ", $l4, sort(address($src) . " $src_port", address($dst) . " $dst_port");
}

# As ndpiReader prints a protocol: "Master.App", or the one of them that there is.
sub protocol {
	my ($master, $app) = map { defined $_ && $_ ne 'Unknown' ? $_ : '' } @_;
	return $app || 'Unknown' if $master eq '' || $master eq $app;
	return $app eq '' ? $master : "$master.$app";
}

sub ours {
	my ($file) = @_;
	my @flows;
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>) {
		next unless /^\{/;
		my $f = decode_json($_);
		push @flows, {
			key      => key(@$f{qw(l4 src_ip src_port dst_ip dst_port)}),
			protocol => protocol(@$f{qw(ndpi_master ndpi_app)}),
			packets  => $f->{packets_up} + $f->{packets_down},
			bytes    => $f->{bytes_up} + $f->{bytes_down},
		};
	}
	return \@flows;
}

sub theirs {
	my ($file) = @_;
	my (@flows, %column);
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>) {
		chomp;
		my @field = split /,/, $_, -1;
		if ($field[0] eq '#flow_id') {
			@column{@field} = 0 .. $#field;
			next;
		}
		# No field before the server name can hold a comma; the counts stand behind it.
		my ($head, $counts) = ($column{server_name_sni}, 6);
		next unless defined $head && @field >= $head + $counts;
		my ($up, $up_bytes, $down, $down_bytes) = @field[ $head + 1, $head + 2, $head + 4, $head + 5 ];
		my %f = map { $_ => $field[ $column{$_} ] } qw(protocol src_ip src_port dst_ip dst_port ndpi_proto);
		push @flows, {
			key      => key(@f{qw(protocol src_ip src_port dst_ip dst_port)}),
			protocol => $f{ndpi_proto},
			packets  => $up + $down,
			bytes    => $up_bytes + $down_bytes,
		};
	}
	return \@flows;
}

my ($total, $identical, %class, @detail) = (0, 0);

sub differ {
	my ($name, $class, $flow) = @_;
	$class{$class}++;
	push @detail, "$name: $class: $flow->{key}";
}

# The flow of the list that fits best: all the same, then protocol, then packets, then any.
sub take {
	my ($list, $want) = @_;
	my ($best, $most) = (0, -1);
	for my $i (0 .. $#$list) {
		my $have  = $list->[$i];
		my $score = 4 * ($have->{protocol} eq $want->{protocol}) + 2 * ($have->{packets} == $want->{packets})
		    + ($have->{bytes} == $want->{bytes});
		($best, $most) = ($i, $score) if $score > $most;
	}
	return splice @$list, $best, 1;
}

sub compare {
	my ($name, $ours, $theirs) = @_;
	my %ours;
	push @{ $ours{ $_->{key} } }, $_ for @$ours;
	for my $want (@$theirs) {
		$total++;
		my $list = $ours{ $want->{key} };
		if (!$list || !@$list) {
			differ($name, "missing ($want->{protocol})", $want);
			next;
		}
		my $have = take($list, $want);
		my @class;
		push @class, "protocol $want->{protocol} -> $have->{protocol}" if $have->{protocol} ne $want->{protocol};
		push @class, 'packets' if $have->{packets} != $want->{packets};
		push @class, 'bytes'   if $have->{bytes} != $want->{bytes};
		if (@class) { differ($name, join(', ', @class), $want) }
		else        { $identical++ }
	}
	for my $extra (map { @$_ } values %ours) {
		differ($name, "extra ($extra->{protocol})", $extra);
	}
}

if ($command) {
	my $folder = tempdir(CLEANUP => 1);
	for my $capture (@ARGV) {
		my $quoted = "'" . $capture =~ s/'/'\\''/gr . "'";
		unlink "$folder/theirs";
		system("$command $quoted > $folder/ours 2>/dev/null");
		system("ndpiReader -q -v 2 -C $folder/theirs -i $quoted > /dev/null 2>&1");
		next unless -e "$folder/theirs"; # a link type that ndpiReader does not take
		compare($capture =~ s{.*/}{}r, ours("$folder/ours"), theirs("$folder/theirs"));
	}
} else {
	die "compare.pl: files come in pairs\n" if @ARGV % 2;
	while (my ($json, $csv) = splice @ARGV, 0, 2) {
		compare($csv =~ s{.*/}{}r, ours($json), theirs($csv));
	}
}

printf "flows %d identical %d differ %d percent %.3f\n", $total, $identical, $total - $identical,
    $total ? 100 * $identical / $total : 100;
printf "%6d %s\n", $class{$_}, $_ for sort { $class{$b} <=> $class{$a} || $a cmp $b } keys %class;
print "$_\n" for $verbose ? @detail : ();
