-- What agents ask for, each in one statement. Written for sense_api: row-level security holds, and each text names the
-- organization as well.

-- ---- which policies ------------------------------------------------------------------------------------------------

-- Whether an agent is among the percent of a rollout: the same at each question, and another part of the fleet in each
-- rollout.
CREATE FUNCTION sense.is_among(agent uuid, generation bigint, percent integer) RETURNS boolean LANGUAGE sql IMMUTABLE
PARALLEL SAFE AS $$ SELECT (hashtextextended(agent::text, generation) & 2147483647) % 100 < percent $$;

-- The generation that each of these agents is to have: the latest whose rollout reaches it. One that was halted stays
-- where it is at work, since agents take no older one; a rollback is a newer generation with an older bundle.
CREATE FUNCTION sense.wanted_policy(org uuid, agents uuid[]) RETURNS TABLE (agent uuid, generation bigint, hash bytea)
LANGUAGE sql STABLE AS $$
	SELECT DISTINCT ON (a.id) a.id, r.generation, r.hash
	FROM sense.agents a JOIN sense.policy_rollouts r ON r.org_id = a.org_id
	WHERE a.org_id = org AND a.id = ANY (agents)
		AND ((r.state IN ('running', 'done') AND sense.is_among(a.id, r.generation, r.percent))
			OR r.generation = a.policy_generation)
		AND (r.group_id IS NULL OR r.generation = a.policy_generation OR EXISTS (
			SELECT FROM sense.agent_group_members m
			WHERE m.org_id = org AND m.group_id = r.group_id AND m.agent_id = a.id))
		AND (a.labels @> r.labels OR r.generation = a.policy_generation)
	ORDER BY a.id, r.generation DESC
$$;

-- ---- agents --------------------------------------------------------------------------------------------------------

-- No row: there is no such agent in the organization, or it was revoked.
CREATE FUNCTION sense.agent_register(org uuid, agent uuid, said jsonb, from_address text)
RETURNS TABLE (through bigint, generation bigint, hash bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
	UPDATE sense.agents a SET version = said->>'version', host = said->>'host', os = coalesce(said->>'os', ''),
			kernel = said->>'kernel', arch = said->>'arch', address = nullif(from_address, '')::inet,
			policy_generation = (said->>'generation')::bigint, policy_hash = decode(said->>'hash', 'hex'),
			registered = now(), last_seen = now()
		WHERE a.org_id = org AND a.id = agent AND a.revoked_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT p.through, w.generation, w.hash FROM sense.agent_progress p
		LEFT JOIN sense.wanted_policy(org, ARRAY[agent_register.agent]) w ON true
		WHERE p.org_id = org AND p.agent_id = agent;
END
$$;

-- A beat that is lost with the server's memory is no loss: its commit does not wait for the disk.
CREATE FUNCTION sense.agent_heartbeat(org uuid, agent uuid, said jsonb)
RETURNS TABLE (generation bigint, hash bytea, commands integer) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	UPDATE sense.agents a SET last_seen = now(), clock_offset_us = (said->>'offset')::bigint,
			uptime_s = (said->>'uptime')::bigint, counters = said->'counters',
			gaps = ARRAY(SELECT jsonb_array_elements_text(said->'gaps')),
			policy_generation = (said->>'generation')::bigint, policy_hash = decode(said->>'hash', 'hex'),
			rules = (said->>'rules')::integer, rules_failing = (said->>'failing')::integer,
			rules_quarantined = (said->>'quarantined')::integer
		WHERE a.org_id = org AND a.id = agent AND a.revoked_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT w.generation, w.hash, (
			SELECT count(*)::integer FROM sense.commands c
			WHERE c.org_id = org AND c.agent_id = agent AND c.status IS NULL AND c.expires_at > now())
		FROM (SELECT) AS one LEFT JOIN sense.wanted_policy(org, ARRAY[agent_heartbeat.agent]) w ON true;
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

-- What became of a generation at an agent. rules: [{"id", "state", "message"}], those that are not loaded. A rollout of
-- which too many could not be loaded goes no further: of fewer than 20 agents one is too many.
CREATE FUNCTION sense.policy_acknowledge(org uuid, agent uuid, at_work bigint, at_work_hash bytea, is_loaded boolean,
	why text, broken jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	failed bigint;
	asked bigint;
	halted boolean;
BEGIN
	INSERT INTO sense.policy_state AS s (agent_id, org_id, generation, hash, loaded, problem, rules_failed, acknowledged)
		VALUES (agent, org, at_work, at_work_hash, is_loaded, why, jsonb_array_length(broken), now())
		ON CONFLICT (agent_id) DO UPDATE SET generation = excluded.generation, hash = excluded.hash,
			loaded = excluded.loaded, problem = excluded.problem, rules_failed = excluded.rules_failed,
			acknowledged = excluded.acknowledged
		WHERE s.org_id = org;
	DELETE FROM sense.policy_rule_errors e WHERE e.org_id = org AND e.agent_id = agent;
	INSERT INTO sense.policy_rule_errors (agent_id, org_id, rule, generation, state, message)
		SELECT DISTINCT ON (b->>'id') agent, org, left(b->>'id', 200), at_work, b->>'state', b->>'message'
		FROM jsonb_array_elements(broken) b WHERE b->>'id' <> '';
	SELECT count(*) FILTER (WHERE NOT s.loaded OR s.rules_failed > 0), count(*) INTO failed, asked
		FROM sense.policy_state s WHERE s.org_id = org AND s.generation = at_work;
	UPDATE sense.policy_rollouts r SET state = 'halted', changed = now(),
			state_why = format('%s of %s agents could not load it as it is', failed, asked)
		WHERE r.org_id = org AND r.generation = at_work AND r.state IN ('running', 'done') AND failed > 0
			AND failed > r.halt_at_failed * greatest(asked, 20)
		RETURNING true INTO halted;
	IF halted THEN
		INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, 'server', 'policy.halt',
			at_work::text, jsonb_build_object('failed', failed, 'of', asked, 'agent', agent, 'problem', why));
		PERFORM pg_notify('sense_policy', org::text);
	END IF;
	RETURN coalesce(halted, false);
END
$$;

-- The number that the next rollout's manifest is signed for. A number that is not used is left out.
CREATE FUNCTION sense.next_generation(org uuid) RETURNS bigint LANGUAGE sql AS $$
	UPDATE sense.organizations SET policy_generation = policy_generation + 1 WHERE id = org RETURNING policy_generation
$$;

-- Begins a rollout. It stands for all before it that reached the same agents, which end with it.
CREATE FUNCTION sense.rollout_begin(org uuid, new_generation bigint, new_hash bytea, new_manifest bytea,
	new_signature bytea, to_group uuid, to_labels jsonb, with_parameters jsonb, dry boolean, first_percent integer,
	next_steps smallint[], pause interval, halt_at real, who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sense.policy_rollouts r SET state = 'replaced', changed = now(),
			state_why = format('by generation %s', new_generation)
		WHERE r.org_id = org AND r.generation < new_generation AND r.state IN ('running', 'halted')
			AND r.group_id IS NOT DISTINCT FROM to_group AND r.labels = to_labels;
	INSERT INTO sense.policy_rollouts (org_id, generation, hash, manifest, signature, group_id, labels, parameters,
			dry_run, percent, steps, step_after, halt_at_failed, state, created_by)
		VALUES (org, new_generation, new_hash, new_manifest, new_signature, to_group, to_labels, with_parameters, dry,
			first_percent, next_steps, pause, halt_at,
			CASE WHEN first_percent = 100 THEN 'done' ELSE 'running' END, who);
	INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (org, who, 'policy.roll_out',
		new_generation::text, jsonb_build_object('hash', encode(new_hash, 'hex'), 'percent', first_percent,
		'steps', next_steps, 'group', to_group, 'labels', to_labels, 'dry_run', dry));
	PERFORM pg_notify('sense_policy', org::text);
END
$$;

-- The bundle to go back to from what is at work: that of the latest rollout before it, to the same agents, that was
-- done and was not itself gone back from.
CREATE FUNCTION sense.rollback_of(org uuid) RETURNS TABLE (generation bigint, hash bytea, group_id uuid, labels jsonb,
	parameters jsonb, dry_run boolean) LANGUAGE sql STABLE AS $$
	WITH latest AS (
		SELECT * FROM sense.policy_rollouts r WHERE r.org_id = org AND r.state <> 'replaced'
		ORDER BY r.generation DESC LIMIT 1)
	SELECT r.generation, r.hash, r.group_id, r.labels, r.parameters, r.dry_run
	FROM sense.policy_rollouts r, latest l
	WHERE r.org_id = org AND r.generation < l.generation AND r.hash <> l.hash AND r.state = 'done'
		AND r.group_id IS NOT DISTINCT FROM l.group_id AND r.labels = l.labels
	ORDER BY r.generation DESC LIMIT 1
$$;

-- For jobs, in all organizations: rollouts whose pause is over go on. Returns how many did.
CREATE FUNCTION sense.rollouts_step() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	moved record;
	count integer := 0;
BEGIN
	FOR moved IN
		UPDATE sense.policy_rollouts r SET percent = r.steps[1], steps = r.steps[2:], changed = now(),
				state = CASE WHEN r.steps[1] = 100 THEN 'done' ELSE 'running' END
			WHERE r.state = 'running' AND cardinality(r.steps) > 0 AND r.changed + r.step_after <= now()
			RETURNING r.org_id, r.generation, r.percent
	LOOP
		INSERT INTO sense.audit_log (org_id, actor, action, target, details) VALUES (moved.org_id, 'server',
			'policy.step', moved.generation::text, jsonb_build_object('percent', moved.percent));
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

-- Given out until its result comes: an agent that ended meanwhile gets it once more.
CREATE FUNCTION sense.commands_take(org uuid, agent uuid, most integer) RETURNS TABLE (command uuid, what text,
	with_arguments jsonb, expires_us bigint) LANGUAGE sql AS $$
	UPDATE sense.commands c SET sent_at = coalesce(c.sent_at, now())
		WHERE c.org_id = org AND c.agent_id = agent AND c.id IN (
			SELECT n.id FROM sense.commands n WHERE n.org_id = org AND n.agent_id = agent AND n.status IS NULL
				AND n.expires_at > now() ORDER BY n.created LIMIT most)
		RETURNING c.id, c.name, c.arguments, (extract(epoch FROM c.expires_at) * 1000000)::bigint
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
