"""The shop and the recommender as environments of verifiers, by the names of these modules.

    vf.load_environment("llmrec_env.envs.language_agents.verifiers.shop", catalogue=200)
    vf.load_environment("llmrec_env.envs.language_agents.verifiers.recommend", max_recommended=5)

They are of the kind that verifiers has until 0.3; from 0.4 on, its taskset ``openenv`` takes the
servers of ``llmrec shop openenv`` and ``llmrec openenv``. Install the extra ``verifiers`` in an
environment of its own.
"""
