"""``improve``: a fitted recommender is improved among simulated users, a step of RL at a time.

The recommender stays what it is. What is learned beside it is Q, how much better an item is than
the others of the same moment. The improved recommender shows the best item by::

    score(i | s) = log softmax(recommender(s))_i  +  weight * Q(s, i)

whose softmax is the solution of ``max_pi E_pi[Q] - KL(pi || recommender) / weight`` (as in relative
entropy policy search and its kin, e.g. Abdolmaleki et al. 2018, arXiv 1806.06920): it leaves the
recommender only as far as Q pays for. At first Q is 0 and the two are the same.

Each step of improvement is one of policy iteration:

1. the recommender as it stands acts among the users, and at every moment these are asked about
   several items that it ranks high. To ask changes nothing, so it is known what its own choice and
   what each of the others would have been paid, without the noise of drawing one (``asking.py``);
2. V learns from what followed in these episodes how much a moment is worth, and Q fits
   ``liking - pessimism * sd + discount * E[V(next)]`` of all that was asked (``fitting.py``).

Only differences between the items of one moment are fitted, the advantage over the recommender's
own choice among them, so what makes one user pay more than another is no noise to Q.
"""

from agents.improving.config import ImproveConfig
from agents.improving.improving import improve
from agents.improving.policy import ImprovedRecommender

__all__ = ["ImproveConfig", "ImprovedRecommender", "improve"]
