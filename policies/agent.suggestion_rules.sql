-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.suggestion_rules.

-- The rules that suggest, each with the function agent.rule_<rule_key>_v1, a page in docs/rules and a test. Set by set_suggestion_rule.

alter table agent.suggestion_rules enable row level security;
alter table agent.suggestion_rules force row level security;

-- Nobody but its owner holds anything here.
