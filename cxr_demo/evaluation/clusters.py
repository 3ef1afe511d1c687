"""Clusters of similar maps, which reveal shortcuts of classifiers (SpRAy, Lapuschkin et al. 2019, arXiv:1902.10178)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from cxr_demo.imports import import_library

#: Least number of maps to divide, and most clusters.
LEAST, MOST = 20, 8
#: Ratio of two eigenvalues at a gap. A single cloud of maps, whose spot moves a little, has eigenvalues like those of a
#: membrane, 0, 1, 1, 2, ..., so that the largest difference would divide it.
GAP = 0.25
#: Eigenvalues below this are zero.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Clusters:
    """A division of n maps."""

    members: tuple[np.ndarray, ...]  # indices of each cluster's maps, the largest cluster first
    eigenvalues: np.ndarray  # the smallest MOST + 1 of the graph's Laplacian, ascending from 0; empty for few maps


def clusters(maps: np.ndarray) -> Clusters:
    """Divide maps (n, G, G) by spectral clustering; only their positive values count, whatever their strength.

    Each map is joined with its most similar ones. The number of clusters is the gap in the eigenvalues of the graph's
    normalised Laplacian (von Luxburg 2007, arXiv:0711.0189): the most clusters whose last eigenvalue is at most GAP of
    the next one. Fewer than LEAST maps with positive values are one cluster; maps without any are in none.
    """
    values = np.maximum(maps, 0).reshape(len(maps), math.prod(maps.shape[1:]))
    kept = np.flatnonzero(values.sum(1) > 0)
    if len(kept) < LEAST:
        return Clusters((kept,) if len(kept) else (), np.zeros(0))
    graph = _graph(values[kept])
    eigenvalues = _eigenvalues(graph)
    count = 1 + int(np.flatnonzero(eigenvalues[:-1] <= GAP * eigenvalues[1:])[-1])
    found = _divided(graph, count) if count > 1 else np.zeros(len(kept), int)
    parts = [kept[found == k] for k in np.unique(found)]
    return Clusters(tuple(sorted(parts, key=len, reverse=True)), eigenvalues)


def _graph(values: np.ndarray) -> np.ndarray:
    """The weights (n, n) of a graph that joins each map with the few that are most alike.

    Maps are compared as distributions, by the Hellinger distance, so that a strong map and a weak one with the same
    spot are alike.
    """
    roots = np.sqrt(values / values.sum(1, keepdims=True))
    few = max(5, round(2 * math.log(len(values))))
    joined = import_library("sklearn.neighbors").kneighbors_graph(roots, few, include_self=False).toarray()
    graph: np.ndarray = np.maximum(joined, joined.T)
    return graph


def _eigenvalues(graph: np.ndarray) -> np.ndarray:
    """The smallest MOST + 1 eigenvalues of the normalised Laplacian of a graph (n, n)."""
    root = 1 / np.sqrt(graph.sum(1))
    laplacian = np.eye(len(graph)) - root[:, None] * graph * root
    found: np.ndarray = import_library("scipy.linalg").eigvalsh(laplacian, subset_by_index=(0, MOST))
    found[found < ROUNDING] = 0  # the ratio of two rounding errors is no gap
    return found


def _divided(graph: np.ndarray, count: int) -> np.ndarray:
    """The cluster (n,) of each node of a graph (n, n)."""
    spectral = import_library("sklearn.cluster").SpectralClustering
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Graph is not fully connected")  # clear clusters never are
        found: np.ndarray = spectral(
            count, affinity="precomputed", assign_labels="cluster_qr", random_state=0
        ).fit_predict(graph)
    return found
