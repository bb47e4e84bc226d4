-- Organizations, their agents and what agents are told. Every table that holds an organization's rows has org_id and
-- row-level security; sense_api sees the rows of the organization in the setting sense.org and no others.
--
--   owner         whoever applies migrations: jobs, enrolment
--   sense_api     about one organization's rows
--   sense_ingest  takes findings in; COPY cannot pass row-level security, so it stands beside it

DO $$
BEGIN
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'the database must be in UTF8, not in %', current_setting('server_encoding')
			USING HINT = 'CREATE DATABASE sense ENCODING UTF8 TEMPLATE template0';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sense_api') THEN
		CREATE ROLE sense_api NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sense_ingest') THEN
		CREATE ROLE sense_ingest NOLOGIN BYPASSRLS;
	END IF;
	IF NOT pg_has_role('sense_api', 'MEMBER') THEN
		GRANT sense_api TO CURRENT_USER;
	END IF;
	IF NOT pg_has_role('sense_ingest', 'MEMBER') THEN
		GRANT sense_ingest TO CURRENT_USER;
	END IF;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE EXCEPTION 'the roles sense_api and sense_ingest are missing and % may not make them', current_user
		USING HINT = format('as a superuser: CREATE ROLE sense_api NOLOGIN; CREATE ROLE sense_ingest NOLOGIN BYPASSRLS; '
			'GRANT sense_api, sense_ingest TO %I;', current_user);
END
$$;

GRANT USAGE ON SCHEMA sense TO sense_api, sense_ingest;

-- The organization that a statement is about; NULL: none, and none of its rows are seen.
CREATE FUNCTION sense.org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('sense.org', true), '')::uuid $$;

-- Row-level security as every table has it.
CREATE FUNCTION sense.guard(what regclass, org_column name DEFAULT 'org_id') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', what);
	EXECUTE format('CREATE POLICY organization ON %s TO sense_api USING (%I = sense.org()) WITH CHECK (%I = sense.org())',
		what, org_column, org_column);
END
$$;

CREATE TABLE sense.organizations (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name <> '' AND length(name) <= 200),
	created timestamptz NOT NULL DEFAULT now(),
	policy_generation bigint NOT NULL DEFAULT 0 -- only grows
);
SELECT sense.guard('sense.organizations', 'id');

-- Written by each heartbeat: no column of those is in an index, and pages have room for the new row.
CREATE TABLE sense.agents (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	org_id uuid NOT NULL REFERENCES sense.organizations,
	host text NOT NULL,
	os text NOT NULL DEFAULT '',
	kernel text,
	arch text,
	version text NOT NULL DEFAULT '',
	address inet,
	labels jsonb NOT NULL DEFAULT '{}',
	enrolled timestamptz NOT NULL DEFAULT now(),
	renewed timestamptz, -- its certificate, at its own wish
	registered timestamptz,
	last_seen timestamptz,
	clock_offset_us bigint, -- of the agent's clock to the server's
	uptime_s bigint,
	counters jsonb NOT NULL DEFAULT '{}',
	gaps text[] NOT NULL DEFAULT '{}',
	policy_generation bigint NOT NULL DEFAULT 0,
	policy_hash bytea,
	rules integer NOT NULL DEFAULT 0,
	rules_failing integer NOT NULL DEFAULT 0,
	rules_quarantined integer NOT NULL DEFAULT 0,
	revoked_at timestamptz,
	revoked_why text,
	UNIQUE (org_id, id)
) WITH (fillfactor = 60);
SELECT sense.guard('sense.agents');

CREATE TABLE sense.agent_groups (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	org_id uuid NOT NULL REFERENCES sense.organizations,
	name text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	created timestamptz NOT NULL DEFAULT now(),
	UNIQUE (org_id, name),
	UNIQUE (org_id, id)
);
SELECT sense.guard('sense.agent_groups');

-- Keys with the organization in them: no group has an agent of another one.
CREATE TABLE sense.agent_group_members (
	org_id uuid NOT NULL,
	group_id uuid NOT NULL,
	agent_id uuid NOT NULL,
	PRIMARY KEY (group_id, agent_id),
	FOREIGN KEY (org_id, group_id) REFERENCES sense.agent_groups (org_id, id) ON DELETE CASCADE,
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sense.agent_group_members (agent_id);
SELECT sense.guard('sense.agent_group_members');

CREATE TABLE sense.agent_certificates (
	serial bytea PRIMARY KEY CHECK (length(serial) <= 20),
	agent_id uuid NOT NULL,
	org_id uuid NOT NULL,
	not_before timestamptz NOT NULL DEFAULT now(),
	not_after timestamptz NOT NULL,
	revoked_at timestamptz,
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sense.agent_certificates (agent_id);
SELECT sense.guard('sense.agent_certificates');

CREATE TABLE sense.enrolment_tokens (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	org_id uuid NOT NULL REFERENCES sense.organizations,
	secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32), -- SHA-256
	expires_at timestamptz NOT NULL,
	uses_left integer NOT NULL CHECK (uses_left >= 0),
	groups uuid[] NOT NULL DEFAULT '{}', -- which an agent that enrols with it joins
	labels jsonb NOT NULL DEFAULT '{}',
	note text,
	created timestamptz NOT NULL DEFAULT now(),
	created_by text,
	revoked_at timestamptz
);
SELECT sense.guard('sense.enrolment_tokens');

-- One number an agent: the last of its findings that is kept. Moves with every batch.
CREATE TABLE sense.agent_progress (
	agent_id uuid PRIMARY KEY,
	org_id uuid NOT NULL,
	through bigint NOT NULL DEFAULT 0 CHECK (through >= 0),
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
SELECT sense.guard('sense.agent_progress');

CREATE FUNCTION sense.begin_progress() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
	INSERT INTO sense.agent_progress (agent_id, org_id) VALUES (NEW.id, NEW.org_id);
	RETURN NULL;
END
$$;
CREATE TRIGGER begin_progress AFTER INSERT ON sense.agents FOR EACH ROW EXECUTE FUNCTION sense.begin_progress();

-- A bundle of policies by what is in it.
CREATE TABLE sense.policies (
	org_id uuid NOT NULL REFERENCES sense.organizations,
	hash bytea NOT NULL CHECK (length(hash) = 32), -- SHA-256 of the bundle
	bundle bytea NOT NULL,
	rules integer NOT NULL DEFAULT 0,
	note text,
	created timestamptz NOT NULL DEFAULT now(),
	created_by text,
	PRIMARY KEY (org_id, hash)
);
SELECT sense.guard('sense.policies');

-- Who is to have which bundle, and how far that has come. A generation is one rollout: the signed manifest says both.
CREATE TABLE sense.policy_rollouts (
	org_id uuid NOT NULL,
	generation bigint NOT NULL CHECK (generation > 0),
	hash bytea NOT NULL,
	manifest bytea NOT NULL,
	signature bytea NOT NULL,
	group_id uuid, -- NULL: all agents
	labels jsonb NOT NULL DEFAULT '{}', -- which an agent must have
	parameters jsonb NOT NULL DEFAULT '{}',
	dry_run boolean NOT NULL DEFAULT false,
	percent smallint NOT NULL DEFAULT 100 CHECK (percent BETWEEN 0 AND 100),
	steps smallint[] NOT NULL DEFAULT '{}', -- percentages that are still to come
	step_after interval NOT NULL DEFAULT '10 minutes',
	halt_at_failed real NOT NULL DEFAULT 0.05, -- share of agents that could not load it
	state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'halted', 'replaced')),
	state_why text,
	changed timestamptz NOT NULL DEFAULT now(),
	created timestamptz NOT NULL DEFAULT now(),
	created_by text,
	PRIMARY KEY (org_id, generation),
	FOREIGN KEY (org_id, hash) REFERENCES sense.policies (org_id, hash),
	FOREIGN KEY (org_id, group_id) REFERENCES sense.agent_groups (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sense.policy_rollouts (org_id, state);
SELECT sense.guard('sense.policy_rollouts');

CREATE TABLE sense.policy_state (
	agent_id uuid PRIMARY KEY,
	org_id uuid NOT NULL,
	wanted_generation bigint NOT NULL DEFAULT 0,
	generation bigint NOT NULL DEFAULT 0,
	hash bytea,
	loaded boolean NOT NULL DEFAULT false,
	problem text,
	rules_failed integer NOT NULL DEFAULT 0,
	acknowledged timestamptz,
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX ON sense.policy_state (org_id, generation);
SELECT sense.guard('sense.policy_state');

CREATE TABLE sense.policy_rule_errors (
	agent_id uuid NOT NULL,
	org_id uuid NOT NULL,
	rule text NOT NULL CHECK (length(rule) <= 200),
	generation bigint NOT NULL,
	state text NOT NULL, -- failed, quarantined
	message text,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (agent_id, rule),
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sense.policy_rule_errors (org_id, rule);
SELECT sense.guard('sense.policy_rule_errors');

CREATE TABLE sense.commands (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	org_id uuid NOT NULL,
	agent_id uuid NOT NULL,
	name text NOT NULL CHECK (name IN ('scan', 'reload', 'diagnose', 'log_level', 'isolate')),
	arguments jsonb NOT NULL DEFAULT '{}',
	created timestamptz NOT NULL DEFAULT now(),
	created_by text,
	expires_at timestamptz NOT NULL,
	sent_at timestamptz,
	finished_at timestamptz,
	status text CHECK (status IN ('done', 'failed', 'refused', 'expired')),
	detail text,
	output bytea,
	FOREIGN KEY (org_id, agent_id) REFERENCES sense.agents (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sense.commands (agent_id) WHERE status IS NULL;
CREATE INDEX ON sense.commands (org_id, created);
SELECT sense.guard('sense.commands');

-- Only ever added to.
CREATE TABLE sense.audit_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	org_id uuid NOT NULL REFERENCES sense.organizations,
	at timestamptz NOT NULL DEFAULT now(),
	actor text NOT NULL,
	action text NOT NULL,
	target text,
	details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON sense.audit_log (org_id, at);
SELECT sense.guard('sense.audit_log');

GRANT SELECT, UPDATE ON sense.organizations TO sense_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON sense.agents, sense.agent_groups, sense.agent_group_members,
	sense.agent_certificates, sense.enrolment_tokens, sense.policies, sense.policy_rollouts, sense.policy_state,
	sense.policy_rule_errors, sense.commands TO sense_api;
GRANT SELECT ON sense.agent_progress TO sense_api;
GRANT SELECT, INSERT ON sense.audit_log TO sense_api;
