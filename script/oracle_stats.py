#!/usr/bin/python3
"""oracle_stats - compares the project's statistics with scipy's, value by value.

    script/oracle_stats.py build/tests/oracle/stats_lines [-v]

Ends with 77 (skipped) where scipy is not installed; Debian has it as python3-scipy. Nothing else of
the project needs it.
"""
import math
import random
import subprocess
import sys

try:
    import numpy as np
    from scipy import linalg, special, stats
except ImportError as e:
    print(f"skipped: {e}; Debian's package is python3-scipy")
    sys.exit(77)

requests, expected = [], []


def ask(group, name, args, values, relative=1e-9, absolute=0.0):
    """One line for the program, with the values that it must answer."""
    words = []
    for a in args:
        if isinstance(a, (list, np.ndarray)):
            words.append(str(len(a)))
            words += [repr(float(v)) for v in a]
        else:
            words.append(repr(float(a)))
    requests.append(" ".join([name] + words))
    expected.append((group, [float(v) for v in np.atleast_1d(values)], relative, absolute))


def t_quantile(p, df):
    """scipy 1.10's own has errors of 1e-6; its distribution function is good, so one goes on."""
    x = stats.t.ppf(p, df)
    for _ in range(4):
        f, target = (stats.t.cdf(x, df), p) if p < .5 else (-stats.t.sf(x, df), p - 1)
        x -= (f - target) / stats.t.pdf(x, df)
    return x


def distributions(r):
    shapes = [.1, .3, .5, 1, 2.5, 10, 47, 333, 1e4]
    for z in np.linspace(-37, 8, 91):
        ask("normal cdf", "normal_cdf", [z], stats.norm.cdf(z))
    for p in [1e-300, 1e-30, 1e-9, .001, .025, .07, .3, .5, .7, .975, 1 - 1e-9]:
        ask("normal quantile", "normal_quantile", [p], stats.norm.ppf(p), absolute=1e-15)
    for a in shapes:
        for b in shapes:
            mean = a / (a + b)
            sd = math.sqrt(mean * (1 - mean) / (a + b + 1))
            for k in (-5, -1, -.1, 0, .5, 3):
                x = mean + k * sd
                if 0 < x < 1:
                    # where a shape is tiny and the other large, scipy 1.10 itself is off by 1e-5
                    if min(a, b) >= .3 or max(a, b) <= 10:
                        ask("beta cdf", "beta_cdf", [x, a, b], special.betainc(a, b, x), 1e-9, 1e-13)
            for p in (1e-6, .025, .5, .9):
                x = special.betaincinv(a, b, p)
                if 1e-200 < x < 1 - 1e-9 and abs(special.betainc(a, b, x) / p - 1) < 1e-9:
                    ask("beta quantile", "beta_quantile", [p, a, b], x, 1e-7)
    for df in [.5, 1, 1.7, 2, 3, 5, 10, 38, 100, 1e3, 1e5, 1e8]:
        for t in [0, 1e-8, .1, .5, 1, 1.96, 3, 8, 21.113, 50, 1e3, 1e6]:
            p = 2 * stats.t.sf(t, df)
            if p > 1e-290:
                ask("t two-sided", "t_two_sided", [t, df], p, 1e-8 if df > 1e4 else 1e-9)
        for p in [1e-12, 1e-4, .025, .3, .5, .6, .975, .9999]:
            ask("t quantile", "t_quantile", [p, df], t_quantile(p, df), 1e-9, 1e-12)
    for a in shapes:
        for k in (.01, .5, .9, 1, 1.1, 2, 10):
            ask("gamma tail", "gamma_tail", [a * k, a], special.gammaincc(a, a * k), 1e-8, 1e-290)
    for _ in range(200):
        f, d1, d2 = r.lognormvariate(0, 1), r.uniform(.5, 60), r.uniform(.5, 60)
        ask("F tail", "f_tail", [f, d1, d2], stats.f.sf(f, d1, d2))
    for _ in range(200):
        n = r.randint(1, 500)
        k = r.randint(0, n)
        ci = stats.binomtest(k, n).proportion_ci(.95, "wilson")
        ask("Wilson", "wilson", [k, n], [ci.low, ci.high], 1e-9, 1e-12)
        low = 0 if k == 0 else stats.beta.ppf(.025, k + .5, n - k + .5)
        high = 1 if k == n else stats.beta.ppf(.975, k + .5, n - k + .5)
        ask("Jeffreys", "jeffreys", [k, n, .95], [low, high], 1e-8)


def comparisons(r, g):
    for _ in range(100):
        a = g.normal(r.uniform(-1, 1), r.uniform(.1, 5), r.randint(2, 40))
        b = g.normal(r.uniform(-1, 1), r.uniform(.1, 5), r.randint(2, 40))
        w = stats.ttest_ind(a, b, equal_var=False)
        va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
        df = (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))
        half = t_quantile(.975, df) * math.sqrt(va + vb)
        d = a.mean() - b.mean()
        ask("Welch", "welch", [a, b], [w.statistic, df, w.pvalue, d - half, d + half], 1e-8, 1e-12)
    for _ in range(30):
        a, b = g.integers(0, 5, r.randint(2, 8)), g.integers(0, 5, r.randint(2, 7))
        p = stats.permutation_test((a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
                                   vectorized=True, n_resamples=np.inf,
                                   alternative="two-sided")
        # scipy doubles the smaller tail; ours counts what is as far on either side
        both = np.abs(p.null_distribution) >= abs(p.statistic) - 1e-9
        ask("permutation", "permute", [a, b], [both.mean(), 1, len(p.null_distribution)])
    for _ in range(50):
        na, nb = r.randint(5, 50), r.randint(5, 50)
        xa, xb = g.normal(0, 1, na), g.normal(.3, 1, nb)
        ya, yb = .8 * xa + g.normal(.5, .7, na), .8 * xb + g.normal(0, .7, nb)
        cxx = ((xa - xa.mean()) ** 2).sum() + ((xb - xb.mean()) ** 2).sum()
        cxy = ((xa - xa.mean()) * (ya - ya.mean())).sum() + ((xb - xb.mean()) * (yb - yb.mean())).sum()
        cyy = ((ya - ya.mean()) ** 2).sum() + ((yb - yb.mean()) ** 2).sum()
        th, n = cxy / cxx, na + nb
        ra, rb = ya - th * xa, yb - th * xb
        gap = xa.mean() - xb.mean()
        se = math.sqrt((ra.var(ddof=1) / na + rb.var(ddof=1) / nb) * (n - 2) / (n - 3)
                       + gap ** 2 * (cyy - th * cxy) / (n - 3) / cxx)
        ask("CUPED", "cuped", [xa, ya, xb, yb], [th, ra.mean() - rb.mean(), se, th * cxy / cyy],
            1e-8, 1e-12)


def correlations(r, g):
    for _ in range(100):
        n = r.randint(5, 60)
        x = g.normal(size=n)
        y = r.uniform(-1, 1) * x + g.normal(size=n)
        if r.random() < .5:
            x, y = np.round(x * 2), np.round(y * 2)
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        for name, f, bonett in (("pearson", stats.pearsonr, 0), ("spearman", stats.spearmanr, .5)):
            c = f(x, y)
            rho, p = c[0], c[1]
            if abs(rho) > 1 - 1e-9:
                continue
            half = stats.norm.ppf(.975) * math.sqrt((1 + bonett * rho ** 2) / (n - 3))
            ci = np.tanh([np.arctanh(rho) - half, np.arctanh(rho) + half])
            ask(name, name, [x, y], [rho, p, *ci], 1e-7, 1e-12)


def trends(r, g):
    for i in range(100):
        n = r.randint(5, 80)
        t = np.cumsum(g.integers(1, 4, n))
        y = r.uniform(-.2, .2) * t + g.normal(size=n)
        if i % 2:
            y = np.round(y)
        if np.ptp(y) == 0:
            continue
        slope, _, low, high = stats.theilslopes(y, t, .95)
        tau = stats.kendalltau(t, y)
        s = sum(np.sign(y[b] - y[a]) for a in range(n) for b in range(a + 1, n))
        if len(set(y)) == n and n <= 40:
            p = stats.kendalltau(t, y, method="exact").pvalue
        else:
            v = n * (n - 1) * (2 * n + 5)
            v -= sum(m * (m - 1) * (2 * m + 5) for m in np.unique(y, return_counts=True)[1])
            z = 0 if s == 0 else (s - np.sign(s)) / math.sqrt(v / 18)
            p = 2 * stats.norm.sf(abs(z))
        ask("trend", "trend", [t, y], [slope, low, high, tau.statistic, p, 1], 1e-8, 1e-12)


def pooling(r, g):
    for _ in range(60):
        k = r.randint(2, 12)
        v = g.uniform(.01, .5, k)
        y = g.normal(.3, np.sqrt(v + r.choice([0, .2])))
        w = 1 / v
        mu = (w * y).sum() / w.sum()
        q = (w * (y - mu) ** 2).sum()
        tau2 = max(0, (q - (k - 1)) / (w.sum() - (w ** 2).sum() / w.sum()))
        wr = 1 / (v + tau2)
        mur = (wr * y).sum() / wr.sum()
        hk = max(1, (wr * (y - mur) ** 2).sum() / (k - 1))
        half = t_quantile(.975, k - 1) * math.sqrt(hk / wr.sum())
        ask("meta-analysis", "meta", [y, v],
            [mu, mu - stats.norm.ppf(.975) / math.sqrt(w.sum()), mur, mur - half, mur + half, tau2, q,
             stats.chi2.sf(q, k - 1), max(0, (q - (k - 1)) / q)], 1e-8, 1e-12)
    for _ in range(20):
        p = g.uniform(0, 1, r.randint(1, 30)) ** 2
        order = np.argsort(p)
        adj = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
        out = np.empty(len(p))
        out[order] = np.minimum(1, adj)
        ask("Benjamini-Hochberg", "adjust", [p], out)


def survival(r, g):
    for _ in range(50):
        n = r.randint(3, 60)
        t = np.ceil(g.exponential(10, n))
        e = (g.random(n) < .6).astype(float)
        s, green, median, out, high = 1.0, 0.0, math.nan, [], 1.0
        for u in np.unique(t):
            at_risk, d = (t >= u).sum(), ((t == u) & (e > 0)).sum()
            s *= 1 - d / at_risk
            if d:
                green += d / (at_risk * (at_risk - d)) if at_risk > d else 0
            if math.isnan(median) and s <= .5 + 1e-12:
                median = u
            if s >= 1:
                ci = (1, 1)
            elif s <= 0:
                ci = (0, high)
            else:
                k = stats.norm.ppf(.975) * math.sqrt(green) / -math.log(s)
                ci = (s ** math.exp(k), s ** math.exp(-k))
            high = ci[1]
            out += [s, *ci]
        ask("Kaplan-Meier", "survive", [t, e], [median] + out, 1e-8, 1e-12)


def interrupted(r, g):
    """The same posterior by brute force: each rho's full covariance matrix."""
    for _ in range(12):
        n, rho = r.randint(20, 60), r.uniform(-.2, .7)
        t = np.cumsum(g.integers(1, 3, n))
        at = t[n // 2]
        e = [g.normal()]
        for i in range(1, n):
            phi = rho ** (t[i] - t[i - 1])
            e.append(phi * e[-1] + math.sqrt(1 - phi * phi) * g.normal())
        y = 3 + .05 * t + (t >= at) * (r.uniform(-2, 2) - .05 * (t - at)) + np.array(e)
        x = np.column_stack([np.ones(n), t - at, t >= at, np.where(t >= at, t - at, 0)])
        rhos, rows = np.linspace(-.9, .98, 71), []
        for q in rhos:
            sign = np.where(np.abs(t[:, None] - t) % 2 == 1, np.sign(q), 1)
            v = sign * np.abs(q) ** np.abs(t[:, None] - t) if q else np.eye(n)
            vi = linalg.inv(v)
            xtx = x.T @ vi @ x
            b = linalg.solve(xtx, x.T @ vi @ y)
            ss = (y - x @ b) @ vi @ (y - x @ b)
            ll = -.5 * np.linalg.slogdet(v)[1] - .5 * np.linalg.slogdet(xtx)[1] \
                - (n - 4) / 2 * math.log(ss)
            se = np.sqrt(np.diag(linalg.inv(xtx)) * ss / (n - 4))
            rows.append((ll, b[2], se[2], b[3], se[3]))
        rows = np.array(rows)
        w = np.exp(rows[:, 0] - rows[:, 0].max())
        w /= w.sum()

        def quantile(m, s, p):
            lo, hi = -100.0, 100.0
            for _ in range(90):
                mid = (lo + hi) / 2
                if (w * stats.t.cdf((mid - m) / s, n - 4)).sum() < p:
                    lo = mid
                else:
                    hi = mid
            return mid

        lev, ls, sl, ss_ = rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4]
        ask("interrupted series", "interrupted", [t, y, at],
            [(w * lev).sum(), quantile(lev, ls, .025), quantile(lev, ls, .975), (w * sl).sum(),
             quantile(sl, ss_, .025), quantile(sl, ss_, .975), (w * rhos).sum(),
             1 - (w * stats.t.cdf(-lev / ls, n - 4)).sum()], 1e-5, 1e-7)


def main():
    r, g = random.Random(7), np.random.default_rng(7)
    with np.errstate(all="ignore"):
        distributions(r)
        comparisons(r, g)
        correlations(r, g)
        trends(r, g)
        pooling(r, g)
        survival(r, g)
        interrupted(r, g)
    run = subprocess.run([sys.argv[1]], input="\n".join(requests) + "\n", text=True,
                         capture_output=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(requests), f"{len(answers)} answers to {len(requests)} questions"
    counts, wrong = {}, 0
    for question, answer, (group, want, relative, absolute) in zip(requests, answers, expected):
        got = [float(v) for v in answer.split()]
        n, worst = counts.get(group, (0, 0.0))
        for a, b in zip(got, want, strict=True):
            same = a == b or (math.isnan(a) and math.isnan(b))
            off = 0.0 if same else abs(a - b) / max(abs(b), 1e-300)
            if not same and not abs(a - b) <= absolute + relative * abs(b):
                wrong += 1
                if wrong <= 20:
                    print(f"{question[:160]}\n  ours {a!r}, scipy {b!r}")
            elif abs(b) > 1e-6:
                worst = max(worst, off)
            n += 1
        counts[group] = (n, worst)
    for group, (n, worst) in counts.items():
        print(f"{group:20} {n:5} values, largest relative difference {worst:.1e}")
    print(f"{sum(n for n, _ in counts.values())} values compared, {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
