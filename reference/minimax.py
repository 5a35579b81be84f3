"""The games of section 3.3, one start and one step at a time, with the whole past in a list.

    xy:         V(x, y) = x y
    nonconvex:  V(x, y) = (f(x) - 1) (y - 1),   f(x) = x for x < 0, x^2 otherwise

x descends and y ascends V; each pays weight * (theta - mean of theta's past)^2.
"""

from reference import historical_averaging


def slopes(game, x, y):
    """(dV/dx, dV/dy)."""
    if game == "xy":
        return y, x
    if x < 0:
        return y - 1, x - 1
    return 2 * x * (y - 1), x**2 - 1


def trajectory(game, start, steps, method, rate, weight):
    """The places [(x, y), ...], the start first."""
    xs, ys = [float(start[0])], [float(start[1])]
    for _ in range(steps):
        x, y = xs[-1], ys[-1]
        pull_x = historical_averaging.gradient(x, xs[:-1], weight) if xs[:-1] else 0
        pull_y = historical_averaging.gradient(y, ys[:-1], weight) if ys[:-1] else 0
        new_x = x - rate * (slopes(game, x, y)[0] + pull_x)
        seen = new_x if method == "alternating" else x
        new_y = y - rate * (-slopes(game, seen, y)[1] + pull_y)
        xs.append(new_x)
        ys.append(new_y)
    return list(zip(xs, ys, strict=True))
