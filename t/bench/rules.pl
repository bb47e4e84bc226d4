#!/usr/bin/perl
# Writes N rules of the kinds that people write, as Lua policies, into a directory: rules.pl DIR N
# One in twenty can match the benchmark's traffic; the others are about hosts, services, ports and
# programs that do not occur in it.
use strict;
use warnings;

my ($dir, $n) = @ARGV;
die "usage: rules.pl DIR N\n" unless defined $n && $n =~ /^\d+$/;
mkdir $dir;
my @kinds = (
	sub { qq(on = "flow.classified", match = { host = { suffix = { "service$_[0].example", "api$_[0].example.net" } } }) },
	sub { qq(on = "flow.classified", match = { service = { id = { "no-such-service-$_[0]" } } }) },
	sub { qq(on = "flow.classified", match = { dst_port = @{[20000 + $_[0]]}, l4 = 6 }) },
	sub { qq(on = "flow.end", match = { host = { suffix = { "up$_[0].example" } }, bytes_up = { min = "10MiB" } }) },
	sub { qq(on = "dns", match = { dns = { name = { suffix = { "lookup$_[0].example" } } } }) },
	sub { qq(on = "flow.classified", match = { ja4 = { "t13d1516h2_8daaf6152771_@{[sprintf '%012x', $_[0]]}" } }) },
	sub { qq(on = "http", match = { user_agent = { prefix = { "tool$_[0]/" } } }) },
	sub { qq(on = "flow.classified", match = { dst_ip = { cidr = { "203.0.113.@{[$_[0] % 256]}/32" } } }) },
);
for my $i (1 .. $n) {
	my $body = $i % 20 == 0
	    ? q(on = "flow.classified", match = { service = { category = { "chat", "api" } }, tls_version = "TLSv1.3" }, )
	      . q(when = function(flow) return flow.bytes_up > 100000000 end)
	    : $kinds[$i % @kinds]->($i);
	open my $out, '>', "$dir/rule$i.lua" or die "$dir: $!\n";
	print $out qq(rule "bench.rule$i" {\n  title = "Rule $i", severity = "low", type = "bench",\n  $body,\n}\n);
	close $out or die "$dir: $!\n";
}
