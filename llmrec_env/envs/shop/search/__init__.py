"""Product search by words: one interface, with an engine for small and one for large shops."""

from llmrec_env.envs.shop.search.analyzer import Analyzer
from llmrec_env.envs.shop.search.bm25 import MAX_HITS, Bm25Search
from llmrec_env.envs.shop.search.engine import SearchEngine, build_search, document, open_search
from llmrec_env.envs.shop.search.suggestions import Suggestions, clean_query
from llmrec_env.envs.shop.search.tantivy_index import TantivySearch

__all__ = [
    "MAX_HITS",
    "Analyzer",
    "Bm25Search",
    "SearchEngine",
    "Suggestions",
    "TantivySearch",
    "build_search",
    "clean_query",
    "document",
    "open_search",
]
