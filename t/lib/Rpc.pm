# An agent of a test's own, which speaks MessagePack-RPC with a sense-server: written after proto/SCHEMA.md, by
# nothing of proto/.
#
#   use lib 't/lib'; use Sense; use Server; use Rpc;
#   my $who = enrol($server, $token, 'host-1');              { cert, key, agent, organization, policy_key }
#   my $rpc = connect_as($server, $who);
#   my ($result, $error) = call($rpc, 'GetCommands', {});    a hash, or undef and the error's
#   my $params = notified($rpc, 'PolicyChanged');            of the next one of that name; undef: none came
#
# What is written: undef nil, \1 and \0 booleans, other references to a scalar bytes, digits an integer, else a string.
package Rpc;
use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use JSON::PP ();
use MIME::Base64 ();
use Test::More;
use Time::HiRes ();
use Sense;
use Server;

our @EXPORT = qw(pack_message unpack_message enrol connect_as hang_up call send_call answer_to notified);

my $patience = 60; # seconds, for what has to come

# ---- MessagePack ----------------------------------------------------------------------------------------------

sub sized {
	my ($len, $fix, $fix_max, @codes) = @_;
	return pack 'C', $fix | $len if $len <= $fix_max;
	return pack 'CC', $codes[0], $len if $codes[0] && $len < 256;
	return pack 'Cn', $codes[1], $len if $len < 65536;
	return pack 'CN', $codes[2], $len;
}

sub pack_message {
	my ($value) = @_;
	return "\xc0" if !defined $value;
	if (ref $value eq 'HASH') {
		return sized(scalar keys %$value, 0x80, 15, 0, 0xde, 0xdf)
		    . join '', map { pack_message("$_") . pack_message($value->{$_}) } sort keys %$value;
	}
	return sized(scalar @$value, 0x90, 15, 0, 0xdc, 0xdd) . join '', map { pack_message($_) } @$value if ref $value eq 'ARRAY';
	return $$value eq '1' ? "\xc3" : "\xc2" if ref $value eq 'SCALAR' && $$value =~ /^[01]$/;
	return sized(length $$value, 0, -1, 0xc4, 0xc5, 0xc6) . $$value if ref $value;
	return $value < 128 ? pack 'C', $value : pack 'CQ>', 0xcf, $value if $value =~ /^[0-9]+$/;
	return sized(length $value, 0xa0, 31, 0xd9, 0xda, 0xdb) . $value;
}

# The value at *at, which moves behind it. Dies with "more" when it is not all there.
sub take {
	my ($bytes, $at, $len) = @_;
	die "more\n" if $$at + $len > length $$bytes;
	$$at += $len;
	return substr $$bytes, $$at - $len, $len;
}

sub number { my ($bytes, $at, $len, $how) = @_; return unpack $how, take($bytes, $at, $len) }

sub items {
	my ($bytes, $at, $count) = @_;
	return map { value($bytes, $at) } 1 .. $count;
}

my %plain = (
	0xc0 => sub { undef }, 0xc2 => sub { 0 }, 0xc3 => sub { 1 },
	0xca => sub { number(@_, 4, 'f>') }, 0xcb => sub { number(@_, 8, 'd>') },
	0xcc => sub { number(@_, 1, 'C') }, 0xcd => sub { number(@_, 2, 'n') }, 0xce => sub { number(@_, 4, 'N') },
	0xcf => sub { number(@_, 8, 'Q>') }, 0xd0 => sub { number(@_, 1, 'c') }, 0xd1 => sub { number(@_, 2, 's>') },
	0xd2 => sub { number(@_, 4, 'l>') }, 0xd3 => sub { number(@_, 8, 'q>') },
	0xdc => sub { [items(@_, number(@_, 2, 'n'))] }, 0xdd => sub { [items(@_, number(@_, 4, 'N'))] },
	0xde => sub { +{ items(@_, 2 * number(@_, 2, 'n')) } }, 0xdf => sub { +{ items(@_, 2 * number(@_, 4, 'N')) } },
	(map { my ($n, $how) = @$_; my $len = { C => 1, n => 2, N => 4 }->{$how};
		($n => sub { take(@_, number(@_, $len, $how)) }) }
	    [0xc4, 'C'], [0xc5, 'n'], [0xc6, 'N'], [0xd9, 'C'], [0xda, 'n'], [0xdb, 'N']),
);

sub value {
	my ($bytes, $at) = @_;
	my $first = number($bytes, $at, 1, 'C');
	return $first if $first < 0x80;
	return $first - 256 if $first >= 0xe0;
	return take($bytes, $at, $first & 31) if $first >= 0xa0 && $first < 0xc0;
	return [items($bytes, $at, $first & 15)] if $first >= 0x90 && $first < 0xa0;
	return +{ items($bytes, $at, 2 * ($first & 15)) } if $first < 0x90;
	my $how = $plain{$first} // die sprintf "no value begins with %02x\n", $first;
	return $how->($bytes, $at);
}

# The first message and how long it is; nothing when it is not all there.
sub unpack_message {
	my ($bytes) = @_;
	my $at = 0;
	my $message = eval { value(\$bytes, \$at) };
	return $@ eq '' ? ($message, $at) : $@ eq "more\n" ? () : die $@;
}

# ---- enrolment --------------------------------------------------------------------------------------------------

sub enrol {
	my ($server, $token, $host) = @_;
	my $dir = temp_dir();
	my ($base) = $token =~ /^sense1\.(\S+)/ or return;
	my $bytes = MIME::Base64::decode_base64($base =~ tr{-_}{+/}r);
	openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', "$dir/key",
		'-out', "$dir/csr", '-subj', "/CN=$host");
	my $ask = { token => unpack('H*', substr $bytes, 1, 32), csr => slurp("$dir/csr"), host => $host, version => '9.9' };
	spew("$dir/ask", JSON::PP->new->encode($ask));
	my $run = curl($server, '/v1/enroll', '-H', 'Content-Type: application/json', '--data-binary', "\@$dir/ask");
	my $answer = eval { JSON::PP->new->decode($run->{out}) } // {};
	spew("$dir/cert", $answer->{certificate} // '');
	ok($answer->{certificate}, "$host is enrolled") or diag("$run->{out} $run->{err}");
	return { %$answer, cert => "$dir/cert", key => "$dir/key" };
}

# ---- calls --------------------------------------------------------------------------------------------------------

sub connect_as {
	my ($server, $who) = @_;
	my $talk = talk($server, '', '-alpn', 'sense/1', '-cert', $who->{cert}, '-key', $who->{key});
	return { talk => $talk, id => 0, answers => {}, notes => [] };
}

sub hang_up {
	my ($rpc) = @_;
	local $SIG{PIPE} = 'IGNORE';
	close $rpc->{talk}{in};
	ask($rpc->{talk}, '');
	return;
}

# Reads until `done` says so; false: the time is over, or the other end has closed.
sub read_until {
	my ($rpc, $done, $seconds) = @_;
	my $talk = $rpc->{talk};
	my $select = IO::Select->new($talk->{out});
	my $end = Time::HiRes::time() + $seconds;
	while (!$done->()) {
		while (my ($message, $len) = unpack_message($talk->{got})) {
			substr($talk->{got}, 0, $len) = '';
			if ($message->[0] == 1) { $rpc->{answers}{ $message->[1] } = $message }
			else { push @{ $rpc->{notes} }, $message }
		}
		next if $done->();
		return 0 if $talk->{ended} || Time::HiRes::time() > $end;
		next if !$select->can_read(0.1);
		$talk->{ended} = 1 if !sysread $talk->{out}, $talk->{got}, 1 << 20, length $talk->{got};
	}
	return 1;
}

sub call {
	my ($rpc, $method, $params) = @_;
	return answer_to($rpc, send_call($rpc, $method, $params));
}

sub send_call {
	my ($rpc, $method, $params) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $id = ++$rpc->{id};
	print { $rpc->{talk}{in} } pack_message([0, $id, $method, [$params]]);
	return $id;
}

sub answer_to {
	my ($rpc, $id) = @_;
	read_until($rpc, sub { $rpc->{answers}{$id} }, $patience) or return (undef, { code => 'hung up' });
	my $answer = delete $rpc->{answers}{$id};
	return defined $answer->[2] ? (undef, $answer->[2]) : ($answer->[3], undef);
}

sub notified {
	my ($rpc, $name, $seconds) = @_;
	my $is = sub { grep { $_->[1] eq $name } @{ $rpc->{notes} } };
	read_until($rpc, $is, $seconds // $patience);
	for my $i (0 .. $#{ $rpc->{notes} }) {
		next if $rpc->{notes}[$i][1] ne $name;
		return splice(@{ $rpc->{notes} }, $i, 1)->[2][0];
	}
	return undef;
}

1;
