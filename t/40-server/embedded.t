#!/usr/bin/perl
# The helper that other tests of the server stand on: PostgreSQL and Redis start, are killed, and lose nothing.
use strict;
use warnings;
use lib 't/lib';
use Postgres;
use Test::More;

need_postgres();
need_redis();
my $db = Postgres->new(redis => 1);
is($db->sql('SHOW fsync'), 'on', 'fsync is on unless asked');
is($db->sql('SHOW listen_addresses'), '', 'no address is listened on');
$db->sql('CREATE TABLE kept (n int)');
$db->sql('INSERT INTO kept VALUES (7)');
for my $how (qw(immediate kill fast)) {
	$db->stop($how)->start;
	is($db->sql('SELECT n FROM kept'), 7, "kept over a stop: $how");
}
is($db->redis('SET', 'kept', 7), 'OK', 'Redis takes');
$db->stop_redis->start_redis;
is($db->redis('GET', 'kept'), 7, 'and keeps');
my $dir = $db->dir;
$db->end;
ok(!-e $dir, 'the folder is gone');
done_testing();
