"""The average cost method, in integers: what shares cost, and what profit a sale makes. No I/O.

A position keeps its total cost, not its average, so that nothing is lost to rounding: on a sale a part of the cost
leaves in proportion to the shares, rounded down, and what is left stays with the shares that are left. At any time

    cost left = cost in - cost out,    realised profit = proceeds of sales - cost out by sales.

Deposits and trades come on streams of their own, so shares may be seen to leave before they are seen to come in.
Shares sold too early are a negative quantity, whose cost is minus their proceeds: the profit is known once they come
in. Shares withdrawn too early are ``owed``: they go out, without profit, as soon as they come in.
"""

from dataclasses import dataclass

from shared.contracts.money import Money, Shares


@dataclass(slots=True)
class Holding:
    """One user's position in one symbol, which the methods change.

    Their quantities must be positive. While shares are owed there are none: ``owed`` > 0 means ``quantity`` <= 0.
    """

    quantity: Shares = 0
    cost: Money = 0
    realised: Money = 0
    owed: Shares = 0

    def take_in(self, quantity: Shares, unit_cost: Money) -> Money:
        """Shares come in, bought or deposited. Answers the profit that this brings to light, mostly 0."""
        return self.receive(quantity, quantity * unit_cost)

    def receive(self, quantity: Shares, cost: Money) -> Money:
        """Shares come in that cost so much together. Answers the profit that this brings to light, mostly 0."""
        passed_on = min(quantity, self.owed)
        cost -= cost * passed_on // quantity
        self.owed -= passed_on
        quantity -= passed_on
        covered = min(quantity, max(-self.quantity, 0))
        profit = 0
        if covered:
            paid = cost * covered // quantity
            profit = self._part_of_cost(covered) - paid
            self.cost += profit + paid
            self.quantity += covered
            self.realised += profit
            cost -= paid
        self.quantity += quantity - covered
        self.cost += cost
        return profit

    def sell(self, quantity: Shares, price: Money) -> Money:
        """Shares are sold. Answers the profit: their proceeds less the cost that leaves with them."""
        covered = min(quantity, max(self.quantity, 0))
        profit = 0
        if covered:
            cost_out = self._part_of_cost(covered)
            profit = covered * price - cost_out
            self.cost -= cost_out
            self.quantity -= covered
            self.realised += profit
        self.quantity -= quantity - covered
        self.cost -= (quantity - covered) * price
        return profit

    def withdraw(self, quantity: Shares) -> Money:
        """Shares go out at their average cost, without profit. Answers the cost that leaves with them."""
        covered = min(quantity, max(self.quantity, 0))
        cost_out = self._part_of_cost(covered) if covered else 0
        self.cost -= cost_out
        self.quantity -= covered
        self.owed += quantity - covered
        return cost_out

    def give(self, other: "Holding", quantity: Shares, unit_cost: Money) -> Money:
        """Shares go to another user with what they had cost. Answers the profit that this brings to light there.

        ``unit_cost`` is the cost of those that are seen to leave before they are seen to come in.
        """
        owed_before = self.owed
        cost = self.withdraw(quantity) + (self.owed - owed_before) * unit_cost
        return other.receive(quantity, cost)

    def _part_of_cost(self, quantity: Shares) -> Money:
        """The share that ``quantity`` of all the shares has in the cost (of a short: in its proceeds), rounded down."""
        return abs(self.cost) * quantity // abs(self.quantity)
