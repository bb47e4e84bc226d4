-- Findings by the day (UTC), what could not be kept as one, counts by the hour, and batches on their way to others.

CREATE TABLE sense.findings (
	id uuid NOT NULL,
	org_id uuid NOT NULL,
	agent_id uuid NOT NULL,
	ts timestamptz NOT NULL,
	received timestamptz NOT NULL,
	sequence bigint NOT NULL,
	type text,
	severity smallint NOT NULL, -- 0 info, 1 low, 2 medium, 3 high, 4 critical
	rule text NOT NULL,
	policy text,
	source_ip inet,
	source_port integer,
	dest_ip inet,
	dest_port integer,
	host text,
	service text,
	service_name text,
	category text,
	confidence smallint NOT NULL,
	evidence text[] NOT NULL,
	process text,
	"user" text,
	summary text,
	details jsonb NOT NULL,
	tags text[] NOT NULL,
	action text
) PARTITION BY RANGE (ts);
CREATE INDEX findings_org_ts ON sense.findings (org_id, ts);
CREATE INDEX findings_agent_ts ON sense.findings (agent_id, ts);
CREATE INDEX findings_org_severity_ts ON sense.findings (org_id, severity, ts);
CREATE INDEX findings_org_type_ts ON sense.findings (org_id, type, ts);
SELECT sense.guard('sense.findings');

-- What has no partition of its day yet: sense.make_partitions moves it there.
CREATE TABLE sense.findings_default PARTITION OF sense.findings DEFAULT;

CREATE TABLE sense.findings_quarantine (
	org_id uuid NOT NULL,
	agent_id uuid NOT NULL,
	sequence bigint NOT NULL,
	received timestamptz NOT NULL,
	reason text NOT NULL,
	finding bytea NOT NULL -- as it came
);
CREATE INDEX ON sense.findings_quarantine (org_id, received);
SELECT sense.guard('sense.findings_quarantine');

-- Counts for dashboards. Each transaction that keeps findings adds its own to _new; sense.roll_up folds them together,
-- so that no two transactions wait for a row. '' stands for what is not known.
CREATE TABLE sense.findings_hourly_new (
	org_id uuid NOT NULL,
	hour timestamptz NOT NULL,
	severity smallint NOT NULL,
	type text NOT NULL,
	service text NOT NULL,
	category text NOT NULL,
	findings bigint NOT NULL
);
SELECT sense.guard('sense.findings_hourly_new');

CREATE TABLE sense.findings_hourly (
	LIKE sense.findings_hourly_new,
	PRIMARY KEY (org_id, hour, severity, type, service, category)
) WITH (fillfactor = 80);
SELECT sense.guard('sense.findings_hourly');

-- A row for each batch that was kept: sequences (first - 1, last] of an agent. `place` is its place in the stream,
-- given when it is published, in the order in which batches became visible; kept for a while, in case the stream
-- forgets what it had.
CREATE TABLE sense.outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	org_id uuid NOT NULL,
	agent_id uuid NOT NULL,
	first_sequence bigint NOT NULL,
	last_sequence bigint NOT NULL,
	first_ts timestamptz NOT NULL,
	last_ts timestamptz NOT NULL,
	place bigint UNIQUE
);
CREATE INDEX outbox_waiting ON sense.outbox (id) WHERE place IS NULL;
SELECT sense.guard('sense.outbox');

CREATE TABLE sense.outbox_head (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	place bigint NOT NULL -- the last that was given
);
INSERT INTO sense.outbox_head (place) VALUES (0);

-- ---- exactly once ------------------------------------------------------------------------------------------------

-- Of each batch: the last sequence of its agent that is kept already; rows after that one are to be taken. NULL: no
-- such agent in that organization. A batch whose `after` lies behind it leaves a gap: nothing of it may be taken. An agent comes
-- once in a call. Rows are locked in the order of agents, so that no two calls wait for each other.
CREATE FUNCTION sense.claim(orgs uuid[], agents uuid[], afters bigint[], lasts bigint[], firsts timestamptz[],
	latests timestamptz[]) RETURNS TABLE (batch integer, through bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM (
		SELECT FROM sense.agent_progress p WHERE p.agent_id = ANY (agents) ORDER BY p.agent_id FOR NO KEY UPDATE
	) AS locked;
	RETURN QUERY
		SELECT b.n::integer, p.through FROM unnest(orgs, agents) WITH ORDINALITY AS b (org, agent, n)
		LEFT JOIN sense.agent_progress p ON p.agent_id = b.agent AND p.org_id = b.org ORDER BY b.n;
	INSERT INTO sense.outbox (org_id, agent_id, first_sequence, last_sequence, first_ts, last_ts)
		SELECT b.org, b.agent, p.through + 1, b.last, b.first, b.latest
		FROM unnest(orgs, agents, afters, lasts, firsts, latests) AS b (org, agent, after, last, first, latest)
		JOIN sense.agent_progress p ON p.agent_id = b.agent AND p.org_id = b.org
		WHERE b.after <= p.through AND b.last > p.through ORDER BY b.agent;
	UPDATE sense.agent_progress p SET through = b.last
		FROM unnest(orgs, agents, afters, lasts) AS b (org, agent, after, last)
		WHERE p.agent_id = b.agent AND p.org_id = b.org AND b.after <= p.through AND b.last > p.through;
END
$$;

-- ---- batches on their way to others ------------------------------------------------------------------------------

-- What comes behind a place in the stream, in order; first gives places to batches that have none. A stream that is
-- further than any place given here is another database's (an older one was restored): places go on behind it.
CREATE FUNCTION sense.outbox_next(after bigint, at_most integer) RETURNS TABLE (place bigint, org_id uuid, agent_id uuid,
	first_sequence bigint, last_sequence bigint, first_us bigint, last_us bigint) LANGUAGE plpgsql AS $$
DECLARE
	head bigint;
	given bigint;
BEGIN
	SELECT h.place INTO head FROM sense.outbox_head h FOR UPDATE;
	WITH waiting AS (
		SELECT o.id, greatest(head, after) + row_number() OVER (ORDER BY o.id) AS next FROM sense.outbox o
		WHERE o.place IS NULL ORDER BY o.id LIMIT at_most
	)
	UPDATE sense.outbox o SET place = w.next FROM waiting w WHERE o.id = w.id;
	GET DIAGNOSTICS given = ROW_COUNT;
	IF given > 0 OR after > head THEN
		UPDATE sense.outbox_head h SET place = greatest(head, after) + given;
	END IF;
	RETURN QUERY SELECT o.place, o.org_id, o.agent_id, o.first_sequence, o.last_sequence,
		(extract(epoch FROM o.first_ts) * 1000000)::bigint, (extract(epoch FROM o.last_ts) * 1000000)::bigint
		FROM sense.outbox o WHERE o.place > after ORDER BY o.place LIMIT at_most;
END
$$;

-- Those up to a place are in the stream; they are kept for a while all the same.
CREATE FUNCTION sense.outbox_forget(through bigint, keep interval) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	gone bigint;
BEGIN
	DELETE FROM sense.outbox WHERE place <= through AND at < now() - keep;
	GET DIAGNOSTICS gone = ROW_COUNT;
	RETURN gone;
END
$$;

-- ---- days ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION sense.day_of(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (at AT TIME ZONE 'UTC')::date $$;

CREATE FUNCTION sense.start_of(day date) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT day::timestamp AT TIME ZONE 'UTC' $$;

CREATE FUNCTION sense.partition_of(day date) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT 'findings_' || to_char(day, 'YYYYMMDD') $$;

CREATE VIEW sense.partitions AS
	SELECT c.oid::regclass AS partition, to_date(substr(c.relname, 10), 'YYYYMMDD') AS day
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'sense.findings'::regclass AND c.relname ~ '^findings_\d{8}$';

-- The day's partition, with what waited for it in the default one. False: it is there. Made aside and attached, which
-- holds up nobody who writes to other days.
CREATE FUNCTION sense.make_partition(day date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
DECLARE
	name text := sense.partition_of(day);
	moved bigint;
BEGIN
	IF to_regclass('sense.' || name) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE sense.%I (LIKE sense.findings INCLUDING DEFAULTS INCLUDING STORAGE)', name);
	LOCK TABLE sense.findings_default IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('WITH moved AS (DELETE FROM sense.findings_default WHERE ts >= %1$L AND ts < %2$L RETURNING *) '
		'INSERT INTO sense.%3$I SELECT * FROM moved', sense.start_of(day), sense.start_of(day + 1), name);
	EXECUTE format('ALTER TABLE sense.findings ATTACH PARTITION sense.%I FOR VALUES FROM (%L) TO (%L)', name,
		sense.start_of(day), sense.start_of(day + 1));
	RETURN true;
END
$$;

-- Yesterday's to `ahead` days from now, and days of which the default partition has findings. Returns how many were
-- made.
CREATE FUNCTION sense.make_partitions(ahead integer DEFAULT 3, now timestamptz DEFAULT now()) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	day date;
	made integer := 0;
BEGIN
	FOR day IN
		SELECT sense.day_of(now) + n FROM generate_series(-1, ahead) AS n
		UNION SELECT DISTINCT sense.day_of(ts) FROM sense.findings_default
		ORDER BY 1 LIMIT 1000
	LOOP
		IF sense.make_partition(day) THEN
			made := made + 1;
		END IF;
	END LOOP;
	RETURN made;
END
$$;

-- What is older than `days` goes: whole partitions. A long query could make all others wait behind this, so it waits
-- for a short time only; it is called again.
CREATE FUNCTION sense.drop_partitions(days integer, now timestamptz DEFAULT now()) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
DECLARE
	oldest date := sense.day_of(now) - days;
	old record;
	dropped integer := 0;
BEGIN
	FOR old IN SELECT partition FROM sense.partitions WHERE partitions.day < oldest ORDER BY partitions.day LOOP
		EXECUTE format('DROP TABLE %s', old.partition);
		dropped := dropped + 1;
	END LOOP;
	DELETE FROM sense.findings_default WHERE ts < sense.start_of(oldest);
	DELETE FROM sense.findings_quarantine WHERE received < sense.start_of(oldest);
	DELETE FROM sense.outbox WHERE at < sense.start_of(oldest);
	RETURN dropped;
END
$$;

-- ---- roll-ups --------------------------------------------------------------------------------------------------------

-- Folds new counts into those of their hours. Returns how many rows were folded.
CREATE FUNCTION sense.roll_up() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	folded bigint;
BEGIN
	WITH taken AS (DELETE FROM sense.findings_hourly_new RETURNING *),
	sums AS (
		INSERT INTO sense.findings_hourly AS h
		SELECT org_id, hour, severity, type, service, category, sum(findings) FROM taken
		GROUP BY org_id, hour, severity, type, service, category
		ORDER BY org_id, hour, severity, type, service, category
		ON CONFLICT (org_id, hour, severity, type, service, category)
			DO UPDATE SET findings = h.findings + excluded.findings
	)
	SELECT count(*) INTO folded FROM taken;
	RETURN folded;
END
$$;

-- Counts an hour anew from its findings. Writers wait meanwhile: what they have written is then in both or in neither.
CREATE FUNCTION sense.roll_up_again(at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := date_trunc('hour', at, 'UTC');
	counted bigint;
BEGIN
	LOCK TABLE sense.findings_hourly_new IN EXCLUSIVE MODE;
	DELETE FROM sense.findings_hourly_new WHERE hour = start;
	DELETE FROM sense.findings_hourly WHERE hour = start;
	INSERT INTO sense.findings_hourly
		SELECT org_id, start, severity, coalesce(type, ''), coalesce(service, ''), coalesce(category, ''), count(*)
		FROM sense.findings WHERE ts >= start AND ts < start + interval '1 hour' GROUP BY 1, 3, 4, 5, 6;
	SELECT coalesce(sum(findings), 0) INTO counted FROM sense.findings_hourly WHERE hour = start;
	RETURN counted;
END
$$;

GRANT SELECT ON sense.findings, sense.findings_hourly TO sense_api;
GRANT SELECT, DELETE ON sense.findings_quarantine TO sense_api;
GRANT SELECT, INSERT ON sense.findings, sense.findings_quarantine, sense.findings_hourly_new, sense.outbox TO sense_ingest;
GRANT SELECT, UPDATE ON sense.agent_progress TO sense_ingest;
