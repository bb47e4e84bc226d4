-- What agents ask for, each in one statement. Written for sense_api: row-level security holds, and each text names the
-- organization as well.

-- ---- which policies ------------------------------------------------------------------------------------------------

-- Whether an agent is among the percent of a rollout: the same at each question, and another part of the fleet in each
-- rollout.
CREATE FUNCTION sense.is_among(agent uuid, generation bigint, percent integer) RETURNS boolean LANGUAGE sql IMMUTABLE
PARALLEL SAFE AS $$ SELECT (hashtextextended(agent::text, generation) & 2147483647) % 100 < percent $$;

-- How many agents a rollout reached when it began or went on: those that were heard of in the last ten minutes. Its error
-- rate is a share of these.
ALTER TABLE sense.policy_rollouts ADD COLUMN reached integer NOT NULL DEFAULT 0;

-- One that a later rollout stands for, which reached the same agents, all of them, and is done: who is to have which
-- policies is asked all the time, and the history grows.
ALTER TABLE sense.policy_rollouts ADD COLUMN past boolean NOT NULL DEFAULT false;
CREATE INDEX ON sense.policy_rollouts (org_id) WHERE NOT past;

CREATE FUNCTION sense.rollouts_past() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sense.policy_rollouts r SET past = r.generation < latest.generation
		FROM (
			SELECT coalesce(max(d.generation), 0) AS generation FROM sense.policy_rollouts d
			WHERE d.org_id = NEW.org_id AND d.state = 'done' AND d.labels = NEW.labels
				AND d.group_id IS NOT DISTINCT FROM NEW.group_id) latest
		WHERE r.org_id = NEW.org_id AND r.labels = NEW.labels AND r.group_id IS NOT DISTINCT FROM NEW.group_id
			AND r.past <> (r.generation < latest.generation);
	RETURN NULL;
END
$$;
CREATE TRIGGER past AFTER INSERT OR UPDATE OF state ON sense.policy_rollouts FOR EACH ROW
	EXECUTE FUNCTION sense.rollouts_past();

CREATE FUNCTION sense.rollout_reaches(org uuid, to_group uuid, to_labels jsonb, generation bigint, percent integer)
RETURNS integer LANGUAGE sql STABLE AS $$
	SELECT count(*)::integer FROM sense.agents a
	WHERE a.org_id = org AND a.revoked_at IS NULL AND a.last_seen > now() - interval '10 minutes'
		AND a.labels @> to_labels AND sense.is_among(a.id, generation, percent)
		AND (to_group IS NULL OR EXISTS (
			SELECT FROM sense.agent_group_members m
			WHERE m.org_id = org AND m.group_id = to_group AND m.agent_id = a.id))
$$;

-- The generation that each of these agents is to have: the latest whose rollout reaches it, and none that is older than
-- what it has. One that was halted stays where it is at work, since agents take no older one; a rollback is a newer
-- generation with an older bundle.
CREATE FUNCTION sense.wanted_policy(org uuid, agents uuid[]) RETURNS TABLE (agent uuid, generation bigint, hash bytea)
LANGUAGE sql STABLE AS $$
	SELECT DISTINCT ON (a.id) a.id, w.generation, w.hash
	FROM sense.agents a JOIN LATERAL (
		SELECT l.generation, l.hash FROM sense.policy_rollouts l
		WHERE l.org_id = org AND NOT l.past AND l.state IN ('running', 'done')
			AND l.generation > a.policy_generation AND sense.is_among(a.id, l.generation, l.percent)
			AND a.labels @> l.labels
			AND (l.group_id IS NULL OR EXISTS (
				SELECT FROM sense.agent_group_members m
				WHERE m.org_id = org AND m.group_id = l.group_id AND m.agent_id = a.id))
		UNION ALL
		SELECT o.generation, o.hash FROM sense.policy_rollouts o
		WHERE o.org_id = org AND o.generation = a.policy_generation) w ON true
	WHERE a.org_id = org AND a.id = ANY (agents)
	ORDER BY a.id, w.generation DESC
$$;

-- ---- agents --------------------------------------------------------------------------------------------------------

-- Numbers of an agent, which may say any: the nearest that there is room for.
CREATE FUNCTION sense.as_bigint(said text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT least(greatest(said::numeric, -9223372036854775807), 9223372036854775807)::bigint $$;

CREATE FUNCTION sense.as_integer(said text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT least(greatest(said::numeric, -2147483647), 2147483647)::integer $$;

-- What many agents say in one call each: [{"agent": ..., ...}, ...]. `place` is that in the array, from 1; of an agent that
-- is there twice the last counts. Rows are locked in the order of agents, so that no two calls wait for each other, and
-- `= ANY (agents)` says again what joins say: without it all of the organization's are read as long as nothing is known of
-- the table (it was never analyzed).
CREATE FUNCTION sense.agents_of(said jsonb) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((s.one->>'agent')::uuid ORDER BY s.n) FROM jsonb_array_elements(said) WITH ORDINALITY AS s (one, n)
$$;

CREATE FUNCTION sense.last_said(said jsonb) RETURNS TABLE (agent uuid, one jsonb) LANGUAGE sql IMMUTABLE AS $$
	SELECT DISTINCT ON (s.one->>'agent') (s.one->>'agent')::uuid, s.one
	FROM jsonb_array_elements(said) WITH ORDINALITY AS s (one, n) ORDER BY s.one->>'agent', s.n DESC
$$;

CREATE FUNCTION sense.agents_lock(org uuid, agents uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM (
		SELECT FROM sense.agents a WHERE a.org_id = org AND a.id = ANY (agents) ORDER BY a.id FOR NO KEY UPDATE
	) AS locked;
END
$$;

-- No row for those that are not in the organization, or were revoked; the same below.
CREATE FUNCTION sense.agents_register(org uuid, said jsonb)
RETURNS TABLE (place integer, through bigint, generation bigint, hash bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	agents uuid[] := sense.agents_of(said);
BEGIN
	PERFORM sense.agents_lock(org, agents);
	UPDATE sense.agents a SET version = l.one->>'version', host = l.one->>'host', os = coalesce(l.one->>'os', ''),
			kernel = l.one->>'kernel', arch = l.one->>'arch', address = nullif(l.one->>'address', '')::inet,
			policy_generation = sense.as_bigint(l.one->>'generation'), policy_hash = decode(l.one->>'hash', 'hex'),
			registered = now(), last_seen = now()
		FROM sense.last_said(said) AS l
		WHERE a.org_id = org AND a.id = l.agent AND a.id = ANY (agents) AND a.revoked_at IS NULL;
	RETURN QUERY
		SELECT b.n::integer, p.through, w.generation, w.hash
		FROM unnest(agents) WITH ORDINALITY AS b (agent, n)
		JOIN sense.agents a ON a.org_id = org AND a.id = b.agent AND a.id = ANY (agents) AND a.revoked_at IS NULL
		JOIN sense.agent_progress p ON p.org_id = org AND p.agent_id = b.agent AND p.agent_id = ANY (agents)
		LEFT JOIN sense.wanted_policy(org, agents) w (for_agent, generation, hash) ON w.for_agent = b.agent;
END
$$;

-- A beat that is lost with the server's memory is no loss: its commit does not wait for the disk.
CREATE FUNCTION sense.agent_heartbeats(org uuid, said jsonb)
RETURNS TABLE (place integer, generation bigint, hash bytea, commands integer) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	agents uuid[] := sense.agents_of(said);
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	PERFORM sense.agents_lock(org, agents);
	UPDATE sense.agents a SET last_seen = now(), clock_offset_us = sense.as_bigint(l.one->>'offset'),
			uptime_s = sense.as_bigint(l.one->>'uptime'), counters = l.one->'counters',
			gaps = ARRAY(SELECT jsonb_array_elements_text(l.one->'gaps')),
			policy_generation = sense.as_bigint(l.one->>'generation'), policy_hash = decode(l.one->>'hash', 'hex'),
			rules = sense.as_integer(l.one->>'rules'), rules_failing = sense.as_integer(l.one->>'failing'),
			rules_quarantined = sense.as_integer(l.one->>'quarantined')
		FROM sense.last_said(said) AS l
		WHERE a.org_id = org AND a.id = l.agent AND a.id = ANY (agents) AND a.revoked_at IS NULL;
	RETURN QUERY
		SELECT b.n::integer, w.generation, w.hash, (
			SELECT count(*)::integer FROM sense.commands c
			WHERE c.org_id = org AND c.agent_id = a.id AND c.status IS NULL AND c.expires_at > now())
		FROM unnest(agents) WITH ORDINALITY AS b (agent, n)
		JOIN sense.agents a ON a.org_id = org AND a.id = b.agent AND a.id = ANY (agents) AND a.revoked_at IS NULL
		LEFT JOIN sense.wanted_policy(org, agents) w (for_agent, generation, hash) ON w.for_agent = a.id;
END
$$;

-- online: heard of within three heartbeats; offline: within a week; stale: longer ago, or never.
CREATE FUNCTION sense.agent_state(last_seen timestamptz, revoked_at timestamptz, heartbeat_s integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT CASE
		WHEN revoked_at IS NOT NULL THEN 'revoked'
		WHEN last_seen > now() - make_interval(secs => 3 * heartbeat_s) THEN 'online'
		WHEN last_seen > now() - interval '7 days' THEN 'offline'
		ELSE 'stale'
	END
$$;

-- ---- policies ------------------------------------------------------------------------------------------------------

-- Of many agents that failed each one counts the others.
CREATE INDEX ON sense.policy_state (org_id, generation) WHERE NOT loaded OR rules_failed > 0;

-- An agent could not load all of a generation. A rollout of which too many could not goes no further: that is its share of
-- the agents that it reaches, and at least one. Only agents that it is for have a say. True: this one halted it.
CREATE FUNCTION sense.policy_failed(org uuid, agent uuid, at_work bigint, at_work_hash bytea, why text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	rollout sense.policy_rollouts;
	failed bigint;
	asked bigint;
BEGIN
	-- Locked: of several that fail at once each is counted by the next.
	SELECT * INTO rollout FROM sense.policy_rollouts r
		WHERE r.org_id = org AND r.generation = at_work AND r.hash = at_work_hash AND r.state IN ('running', 'done')
		FOR UPDATE;
	IF NOT FOUND OR NOT EXISTS (
			SELECT FROM sense.agents a
			WHERE a.org_id = org AND a.id = agent AND a.labels @> rollout.labels
				AND sense.is_among(a.id, at_work, rollout.percent)
				AND (rollout.group_id IS NULL OR EXISTS (
					SELECT FROM sense.agent_group_members m
					WHERE m.org_id = org AND m.group_id = rollout.group_id AND m.agent_id = a.id))) THEN
		RETURN false;
	END IF;
	SELECT count(*) INTO failed FROM sense.policy_state s
		WHERE s.org_id = org AND s.generation = at_work AND (NOT s.loaded OR s.rules_failed > 0);
	IF failed < ceil(rollout.halt_at_failed::numeric * rollout.reached) THEN
		RETURN false;
	END IF;
	SELECT count(*) INTO asked FROM sense.policy_state s WHERE s.org_id = org AND s.generation = at_work;
	IF failed < ceil(rollout.halt_at_failed::numeric * asked) THEN
		RETURN false;
	END IF;
	UPDATE sense.policy_rollouts r SET state = 'halted', changed = now(),
			state_why = format('%s of %s agents could not load it as it is', failed, greatest(asked, rollout.reached))
		WHERE r.org_id = org AND r.generation = at_work;
	INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, 'server', 'policy.halt',
		at_work::text, jsonb_build_object('failed', failed, 'answered', asked, 'reached', rollout.reached,
		'agent', agent, 'problem', why, 'rules', (
			SELECT jsonb_agg(e.rule) FROM (
				SELECT e.rule FROM sense.policy_rule_errors e
				WHERE e.org_id = org AND e.agent_id = agent ORDER BY e.rule LIMIT 10) e)));
	PERFORM pg_notify('sense_policy', org::text);
	RETURN true;
END
$$;

-- What became of a generation at each of many agents. rules: [{"id", "state", "message"}], those that are not at work.
CREATE FUNCTION sense.policy_acknowledge(org uuid, said jsonb) RETURNS TABLE (place integer, halted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	agents uuid[] := sense.agents_of(said);
BEGIN
	PERFORM sense.agents_lock(org, agents);
	INSERT INTO sense.policy_state AS s (agent_id, org_id, generation, hash, loaded, problem, rules_failed, acknowledged)
		SELECT l.agent, org, sense.as_bigint(l.one->>'generation'), decode(l.one->>'hash', 'hex'),
			(l.one->>'loaded')::boolean, l.one->>'problem', jsonb_array_length(l.one->'rules'), now()
		FROM sense.last_said(said) l ORDER BY l.agent
		ON CONFLICT (agent_id) DO UPDATE SET generation = excluded.generation, hash = excluded.hash,
			loaded = excluded.loaded, problem = excluded.problem, rules_failed = excluded.rules_failed,
			acknowledged = excluded.acknowledged
		WHERE s.org_id = org;
	DELETE FROM sense.policy_rule_errors e WHERE e.org_id = org AND e.agent_id = ANY (agents);
	INSERT INTO sense.policy_rule_errors (agent_id, org_id, rule, generation, state, message)
		SELECT DISTINCT ON (l.agent, left(b->>'id', 200)) l.agent, org, left(b->>'id', 200),
			sense.as_bigint(l.one->>'generation'), b->>'state', b->>'message'
		FROM sense.last_said(said) l, jsonb_array_elements(l.one->'rules') b WHERE b->>'id' <> '';
	UPDATE sense.agents a SET policy_generation = sense.as_bigint(l.one->>'generation'),
			policy_hash = decode(l.one->>'hash', 'hex')
		FROM sense.last_said(said) l
		WHERE a.org_id = org AND a.id = l.agent AND a.id = ANY (agents) AND (l.one->>'loaded')::boolean
			AND a.policy_generation < sense.as_bigint(l.one->>'generation');
	RETURN QUERY
		SELECT s.n::integer, CASE
			WHEN (s.one->>'loaded')::boolean AND jsonb_array_length(s.one->'rules') = 0 THEN false
			ELSE sense.policy_failed(org, (s.one->>'agent')::uuid, sense.as_bigint(s.one->>'generation'),
				decode(s.one->>'hash', 'hex'), s.one->>'problem') END
		FROM jsonb_array_elements(said) WITH ORDINALITY AS s (one, n);
END
$$;

-- The number that the next rollout's manifest is signed for. A number that is not used is left out.
CREATE FUNCTION sense.next_generation(org uuid) RETURNS bigint LANGUAGE sql AS $$
	UPDATE sense.organizations SET policy_generation = policy_generation + 1 WHERE id = org RETURNING policy_generation
$$;

-- Begins a rollout. It stands for all before it that reached the same agents, which end with it. back_from: the
-- generation that it goes back from, which nothing goes back to then; NULL: none.
CREATE FUNCTION sense.rollout_begin(org uuid, new_generation bigint, new_hash bytea, new_manifest bytea,
	new_signature bytea, to_group uuid, to_labels jsonb, with_parameters jsonb, dry boolean, first_percent integer,
	next_steps smallint[], pause interval, halt_at real, back_from bigint, who text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	reaches integer := sense.rollout_reaches(org, to_group, to_labels, new_generation, first_percent);
BEGIN
	UPDATE sense.policy_rollouts r SET state = 'replaced', changed = now(),
			state_why = format(CASE WHEN r.generation = back_from THEN 'gone back from by generation %s'
				ELSE 'by generation %s' END, new_generation)
		WHERE r.org_id = org AND r.generation < new_generation
			AND (r.state IN ('running', 'halted') OR r.state = 'done' AND r.generation = back_from)
			AND r.group_id IS NOT DISTINCT FROM to_group AND r.labels = to_labels;
	INSERT INTO sense.policy_rollouts (org_id, generation, hash, manifest, signature, group_id, labels, parameters,
			dry_run, percent, steps, step_after, halt_at_failed, reached, state, created_by)
		VALUES (org, new_generation, new_hash, new_manifest, new_signature, to_group, to_labels, with_parameters, dry,
			first_percent, next_steps, pause, halt_at, reaches,
			CASE WHEN first_percent = 100 THEN 'done' ELSE 'running' END, who);
	INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, who,
		CASE WHEN back_from IS NULL THEN 'policy.roll_out' ELSE 'policy.rollback' END,
		new_generation::text, jsonb_strip_nulls(jsonb_build_object('hash', encode(new_hash, 'hex'), 'from', back_from,
		'percent', first_percent, 'steps', next_steps, 'group', to_group, 'labels', to_labels, 'dry_run', dry,
		'parameters', with_parameters, 'halt_at', halt_at, 'reached', reaches)));
	PERFORM pg_notify('sense_policy', org::text);
	RETURN reaches;
END
$$;

-- The bundle to go back to from the latest rollout: that of the one before it that reached its agents, was done, and was
-- not itself gone back from. To whom: those of the latest.
CREATE FUNCTION sense.rollback_of(org uuid) RETURNS TABLE (generation bigint, hash bytea, group_id uuid, labels jsonb,
	parameters jsonb, dry_run boolean, back_from bigint) LANGUAGE sql STABLE AS $$
	WITH latest AS (
		SELECT * FROM sense.policy_rollouts r WHERE r.org_id = org AND r.state <> 'replaced'
		ORDER BY r.generation DESC LIMIT 1)
	SELECT r.generation, r.hash, l.group_id, l.labels, r.parameters, r.dry_run, l.generation
	FROM sense.policy_rollouts r, latest l
	WHERE r.org_id = org AND r.generation < l.generation AND r.state = 'done'
		AND (r.hash <> l.hash OR r.parameters <> l.parameters OR r.dry_run <> l.dry_run)
		AND (r.group_id IS NULL OR r.group_id = l.group_id) AND l.labels @> r.labels
	ORDER BY r.generation DESC LIMIT 1
$$;

-- No further, and to nobody who does not have it. False: it is not under way.
CREATE FUNCTION sense.rollout_halt(org uuid, what bigint, why text, who text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sense.policy_rollouts r SET state = 'halted', changed = now(), state_why = why
		WHERE r.org_id = org AND r.generation = what AND r.state IN ('running', 'done');
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, who, 'policy.halt', what::text,
		jsonb_build_object('why', why));
	PERFORM pg_notify('sense_policy', org::text);
	RETURN true;
END
$$;

-- One that was halted goes on, from where it was. new_halt_at: another share of failures at which it halts; NULL: the
-- same. False: it is not halted.
CREATE FUNCTION sense.rollout_resume(org uuid, what bigint, new_halt_at real, who text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sense.policy_rollouts r SET state = CASE WHEN r.percent = 100 THEN 'done' ELSE 'running' END, changed = now(),
			state_why = NULL, halt_at_failed = coalesce(new_halt_at, r.halt_at_failed),
			reached = sense.rollout_reaches(org, r.group_id, r.labels, r.generation, r.percent)
		WHERE r.org_id = org AND r.generation = what AND r.state = 'halted';
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, who, 'policy.resume', what::text,
		jsonb_strip_nulls(jsonb_build_object('halt_at', new_halt_at)));
	PERFORM pg_notify('sense_policy', org::text);
	RETURN true;
END
$$;

-- For jobs, in all organizations: rollouts whose pause is over go on, when at least half of the agents that they reach
-- have answered: of what makes agents fall silent nobody else gets any. Returns how many did.
CREATE FUNCTION sense.rollouts_step() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	moved record;
	count integer := 0;
BEGIN
	FOR moved IN
		UPDATE sense.policy_rollouts r SET percent = r.steps[1], steps = r.steps[2:], changed = now(),
				reached = sense.rollout_reaches(r.org_id, r.group_id, r.labels, r.generation, r.steps[1]),
				state = CASE WHEN r.steps[1] = 100 THEN 'done' ELSE 'running' END
			WHERE r.state = 'running' AND cardinality(r.steps) > 0 AND r.changed + r.step_after <= now()
				AND 2 * (SELECT count(*) FROM sense.policy_state s
					WHERE s.org_id = r.org_id AND s.generation = r.generation) >= r.reached
			RETURNING r.org_id, r.generation, r.percent, r.reached
	LOOP
		INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (moved.org_id, 'server',
			'policy.step', moved.generation::text,
			jsonb_build_object('percent', moved.percent, 'reached', moved.reached));
		PERFORM pg_notify('sense_policy', moved.org_id::text);
		count := count + 1;
	END LOOP;
	RETURN count;
END
$$;

-- ---- commands ------------------------------------------------------------------------------------------------------

-- No row: there is no such agent in the organization.
CREATE FUNCTION sense.command_give(org uuid, agent uuid, what text, with_arguments jsonb, valid interval, who text)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid;
BEGIN
	INSERT INTO sense.commands (org_id, agent_id, name, arguments, expires_at, created_by)
		SELECT org, a.id, what, with_arguments, now() + valid, who FROM sense.agents a
		WHERE a.org_id = org AND a.id = agent AND a.revoked_at IS NULL
		RETURNING id INTO made;
	IF made IS NOT NULL THEN
		INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, who, 'command.' || what,
			agent::text, jsonb_build_object('command', made, 'arguments', with_arguments));
		PERFORM pg_notify('sense_command', agent::text);
	END IF;
	RETURN made;
END
$$;

-- Given out until its result comes: an agent that ended meanwhile gets it once more. In the order in which they were
-- given.
CREATE FUNCTION sense.commands_take(org uuid, agent uuid, most integer) RETURNS TABLE (command uuid, what text,
	with_arguments jsonb, expires_us bigint) LANGUAGE sql AS $$
	WITH taken AS (
		UPDATE sense.commands c SET sent_at = coalesce(c.sent_at, now())
		WHERE c.org_id = org AND c.agent_id = agent AND c.id IN (
			SELECT n.id FROM sense.commands n WHERE n.org_id = org AND n.agent_id = agent AND n.status IS NULL
				AND n.expires_at > now() ORDER BY n.created, n.id LIMIT most)
		RETURNING c.*)
	SELECT t.id, t.name, t.arguments, (extract(epoch FROM t.expires_at) * 1000000)::bigint
	FROM taken t ORDER BY t.created, t.id
$$;

-- False: it is not this agent's, or had its result already.
CREATE FUNCTION sense.command_end(org uuid, agent uuid, command uuid, how text, what_happened text, printed bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sense.commands c SET status = how, detail = what_happened, output = printed, finished_at = now()
		WHERE c.org_id = org AND c.agent_id = agent AND c.id = command AND c.status IS NULL;
	RETURN FOUND;
END
$$;

CREATE FUNCTION sense.commands_expire() RETURNS integer LANGUAGE sql AS $$
	WITH over AS (
		UPDATE sense.commands SET status = 'expired', finished_at = now()
		WHERE status IS NULL AND expires_at <= now() RETURNING 1)
	SELECT count(*)::integer FROM over
$$;
