"""Asynchronous actor-critic: Algorithms 2 and 3 of paper A. Line numbers are those algorithms'.

Learning agents, each with replicas of the environment, act for t_max steps on a copy of the global
parameters, work out what to change, and send it to the global agent, which changes the parameters
without waiting for the others. One agent works in this process, and its training can be repeated bit
for bit; several are processes of their own, and whose update comes first is up to the machine.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
import torch.multiprocessing
from pydantic import Field
from torch import Tensor, nn

from .learned import Count, Learned, MakeEnvironment, Positive, Problem, Share, TrainingError
from .networks import Actor, Critic, Head, Kind, check_finite, finite, seeded


@dataclass
class Aac(Learned):
    """AAC, Algorithms 2 and 3 of paper A: actors and critics that learn side by side; to be trained.

    Attributes:
        checkpoint: a file that `edgesim train` left; its own keys `network`, `hidden` and `head` hold.
        network: "flat" of all devices' features at once, as in the papers, for one N; or "shared",
            the same weights for each device, for any N.
        hidden: widths of the hidden layers; by default the paper's [128, 128, 128] of a flat network,
            [64, 64] of a shared one.
        head: the actor's last layer; "paper" is paper A's single softmax over all outputs.
        workers: learning agents. The paper has one at each SBS; more than there are cores gain
            nothing.
        replicas: environments that each agent steps together.
        steps: T_max, environment steps over all agents and replicas.
        t_max: steps of each replica between two updates.
        episode_slots: slots of an episode.
        actor_rate: alpha_pi.
        critic_rate: alpha_v.
        discount: delta.
        entropy: weight of the policy's entropy, which keeps it exploring.
        deviation: standard deviation of the noise on the actor's logits, at the start; it is learned.
        norm: longest gradient; a longer one is scaled down.
        final_rate: both rates fall linearly over the training, to this share of what they were.
        logit_penalty: weight of the mean square of the actor's outputs before they are squashed, which
            keeps them where noise still tries something else.
        limit_weight: in world C, what violated limits weigh in the reward C(22), l2 to l5.
    """

    name: ClassVar[str] = "aac"

    checkpoint: str | None = None
    network: Kind = "shared"
    hidden: Sequence[Count] | None = None
    head: Head = "grouped"
    workers: Count = 2
    replicas: Count = 64
    steps: Count = 3_000_000
    t_max: Count = 8
    episode_slots: Count = 200
    actor_rate: Positive = 1e-3
    critic_rate: Positive = 1e-3
    discount: Share = 0.5
    entropy: Annotated[float, Field(ge=0)] = 0.0
    deviation: Positive = 0.6
    norm: Positive = 0.5
    final_rate: Share = 0.05
    logit_penalty: Annotated[float, Field(ge=0)] = 0.01
    limit_weight: Positive = 1.0

    @property
    def architecture(self) -> dict[str, Any]:
        """Of actor and critic."""
        hidden = self.hidden or ([128, 128, 128] if self.network == "flat" else [64, 64])
        return {"network": self.network, "hidden": list(hidden), "head": self.head}

    @staticmethod
    def make_actor(
        architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> Actor:
        """pi(s | theta_pi), without its noise."""
        a = architecture
        return Actor(a["network"], devices, features, actions, a["hidden"], a["head"])

    def learner(self, problem: Problem, make: MakeEnvironment, seed: int) -> "Training":
        """Global agent and learning agents."""
        return Training(self, make, seed)


class ActorCritic(nn.Module):
    """theta_pi and theta_v.

    The policy is normal on the actor's logits, with one learned deviation for each of a device's
    actions; squashing is part of the environment, so it has no part in the density.

    Args:
        keys: of the policy.
        devices: N.
        features: F.
        actions: A.
    """

    def __init__(self, keys: Aac, devices: int, features: int, actions: int) -> None:
        super().__init__()
        shape = keys.architecture
        self.actor = keys.make_actor(shape, devices, features, actions)
        self.critic = Critic(shape["network"], devices, features, 0, shape["hidden"])
        self.log_deviation = nn.Parameter(torch.full((actions,), keys.deviation).log())

    def log_density(self, mean: Tensor, logits: Tensor) -> Tensor:
        """(R,) log pi(a | s) of (R, N, A) logits around the actor's, without the constant."""
        standard = (logits - mean) * (-self.log_deviation).exp()
        return -(0.5 * standard * standard + self.log_deviation).sum(dim=(1, 2))

    def entropy(self, devices: int) -> Tensor:
        """Of the policy's noise on all devices, without the constant."""
        return self.log_deviation.sum() * devices


class Update(NamedTuple):
    """What an agent sends with its gradient.

    Attributes:
        steps: environment steps that it took.
        means: reward and losses.
    """

    steps: int
    means: dict[str, float]


class LearningAgent:
    """Algorithm 2.

    Args:
        keys: of the policy.
        env: its replicas.
        seed: of its noise.
        first: seed of its first episode's first replica.
        stride: from one of its episodes to the next.
    """

    def __init__(self, keys: Aac, env: Any, seed: int, first: int, stride: int) -> None:
        self._keys = keys
        self._env = env
        self._episode_seed = first
        self._stride = stride
        self._state: Tensor | None = None
        self.noise = torch.Generator().manual_seed(seed % (1 << 63))
        devices, features = env.single_observation_space.shape
        # 1: Agent parameters theta'_pi and theta'_v.
        self.model = ActorCritic(keys, devices, features, env.single_action_space.shape[1])

    @property
    def between_episodes(self) -> bool:
        """Whether the next step is an episode's first."""
        return self._state is None

    def work(self, shared: nn.Module) -> Update:
        """Lines 4 to 18, once: leaves the gradient in the parameters of `model`.

        Args:
            shared: the global parameters.

        Raises:
            TrainingError: a loss is not a number.
        """
        model, keys = self.model, self._keys
        # 4: Synchronise agent parameters.
        model.load_state_dict(shared.state_dict())
        # 6 to 13: Act for t_max steps, or to the episode's end.
        states, logits, rewards = self._act()
        # 14: The value of the state reached. An episode's end is no end of the network.
        with torch.no_grad():
            reached = model.critic(states[-1])
        # 15 to 17: The rewards from each step on.
        returns = [reached]
        for reward in reversed(rewards):
            returns.insert(0, reward + keys.discount * returns[0])
        s, a, R = torch.cat(states[:-1]), torch.cat(logits), torch.cat(returns[:-1])
        # 18, and Algorithm 3, 3 to 7: Accumulate the gradients (24) and (27), as means over steps.
        value = model.critic(s)
        advantage = R - value
        mean = model.actor.logits(s)
        actor_loss = -(advantage.detach() * model.log_density(mean, a)).mean()
        critic_loss = advantage.square().mean()
        explore = keys.entropy * model.entropy(a.shape[1])
        moderate = keys.logit_penalty * mean.square().mean()
        model.zero_grad(set_to_none=False)
        (actor_loss + critic_loss - explore + moderate).backward()
        losses = finite(actor_loss=actor_loss, critic_loss=critic_loss)
        reward_mean = torch.stack(rewards).mean().item()
        deviation = model.log_deviation.detach().exp().mean().item()
        return Update(len(R), {"reward": reward_mean, **losses, "deviation": deviation})

    def _act(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """States (one more than steps), logits and rewards."""
        env, model = self._env, self.model
        if self._state is None:
            # 7: Construct the current state.
            self._state = torch.from_numpy(env.reset(seed=self._episode_seed)[0])
            self._episode_seed += self._stride
        states, logits, rewards = [self._state], list[Tensor](), list[Tensor]()
        deviation = model.log_deviation.detach().exp()
        over = False
        while len(rewards) < self._keys.t_max and not over:
            # 9: Perform an action of the policy.
            with torch.inference_mode():
                mean = model.actor.logits(states[-1])
                noise = torch.randn(mean.shape, generator=self.noise)
                chosen = mean + deviation * noise
                action = model.actor.squash(chosen).numpy()
            # 10: New state and immediate reward.
            state, reward, _, truncated, _ = env.step(action)
            states.append(torch.from_numpy(state))
            logits.append(chosen.clone())
            rewards.append(torch.from_numpy(reward).float())
            over = bool(truncated[0])
        self._state = None if over else states[-1]
        return states, logits, rewards

    def close(self) -> None:
        """End the environments."""
        self._env.close()


class GlobalAgent:
    """Algorithm 3: the global parameters, and their updates by what the agents send.

    Args:
        keys: of the policy.
        model: the global parameters.
    """

    def __init__(self, keys: Aac, model: ActorCritic) -> None:
        self.model = model
        self._keys = keys
        actor = [*model.actor.parameters(), model.log_deviation]
        critic = [*model.critic.parameters()]
        self.optimiser = torch.optim.Adam(
            [
                {"params": actor, "lr": keys.actor_rate},
                {"params": critic, "lr": keys.critic_rate},
            ],
            eps=1e-5,
            fused=True,
        )

    def update(self, gradients: Sequence[Tensor], steps: int) -> None:
        """8: Update theta_pi and theta_v by an agent's gradients.

        Args:
            gradients: of each parameter.
            steps: T, environment steps so far.

        Raises:
            TrainingError: one of them is not a number; nothing was changed.
        """
        keys = self._keys
        left = 1.0 - (1.0 - keys.final_rate) * min(steps / keys.steps, 1.0)
        rates = (keys.actor_rate, keys.critic_rate)
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * left
        parameters = [*self.model.parameters()]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = nn.utils.clip_grad_norm_(parameters, keys.norm)
        if not torch.isfinite(norm):
            raise TrainingError(f"the norm of a gradient is {norm.item()}")
        self.optimiser.step()


class Training:
    """Both algorithms at work; one call of `advance` is an episode of every agent, or as much.

    Args:
        keys: of the policy.
        make: the environments.
        seed: of the weights, the noise, and the first episode's first replica.
    """

    def __init__(self, keys: Aac, make: MakeEnvironment, seed: int) -> None:
        self._keys = keys
        self._make = make
        self._seed = seed
        self.steps = 0
        env = _environment(keys, make)
        devices, features = env.single_observation_space.shape
        with seeded(seed):
            model = ActorCritic(keys, devices, features, env.single_action_space.shape[1])
        self._global = GlobalAgent(keys, model)
        self.actor: nn.Module = model.actor
        self._alone: LearningAgent | None = None
        self._others: list[Remote] = []
        if keys.workers == 1:
            self._alone = LearningAgent(keys, env, seed, seed, keys.replicas)
        else:
            env.close()
            model.share_memory()

    def advance(self) -> dict[str, float]:
        """Lines 2 to 12 of Algorithm 3, for an episode of every agent, or as many steps.

        Raises:
            TrainingError: a loss or a weight is not a number any more, or an agent failed.
        """
        updates = self._alone_through_episode() if self._alone else self._by_others()
        check_finite(self._global.model)
        weight = [update.steps / sum(one.steps for one in updates) for update in updates]
        return {
            name: sum(w * update.means[name] for w, update in zip(weight, updates, strict=True))
            for name in updates[0].means
        }

    def _alone_through_episode(self) -> list[Update]:
        agent, updates = self._alone, list[Update]()
        assert agent is not None  # its caller looked
        while not updates or not agent.between_episodes:
            updates.append(agent.work(self._global.model))
            self._global.update([one.grad for one in agent.model.parameters()], self.steps)  # type: ignore[misc]
            self.steps += updates[-1].steps
        return updates

    def _by_others(self) -> list[Update]:
        keys, updates = self._keys, list[Update]()
        if not self._others:
            episodes = self.steps // (keys.replicas * keys.episode_slots)
            first = self._seed + episodes * keys.replicas
            self._others = [
                Remote(keys, self._make, self._global.model, first, agent)
                for agent in range(keys.workers)
            ]
        enough = self.steps + keys.workers * keys.replicas * keys.episode_slots
        while self.steps < enough:
            ready = wait([one.connection for one in self._others])
            for one in self._others:
                if one.connection in ready:
                    updates.append(one.receive())
                    self._global.update(one.gradients, self.steps)
                    one.go_on()
                    self.steps += updates[-1].steps
        return updates

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser, noise. Several agents start episodes afresh from it."""
        return {
            "steps": self.steps,
            "model": self._global.model.state_dict(),
            "optimiser": self._global.optimiser.state_dict(),
            "noise": self._alone.noise.get_state() if self._alone else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse; before the first `advance`."""
        keys = self._keys
        self.steps = state["steps"]
        self._global.model.load_state_dict(state["model"])
        self._global.optimiser.load_state_dict(state["optimiser"])
        if self._alone is not None:
            env = _environment(keys, self._make)
            first = self._seed + self.steps // keys.episode_slots
            self._alone = LearningAgent(keys, env, self._seed, first, keys.replicas)
            self._alone.noise.set_state(state["noise"])

    def close(self) -> None:
        """End all agents."""
        if self._alone:
            self._alone.close()
        for one in self._others:
            one.close()


class Remote:
    """A learning agent in a process of its own, as the global agent sees it.

    Attributes:
        connection: brings an `Update`, or the text of a failure, when there is a gradient.
        gradients: in memory that both share; the agent waits until they are used.

    Args:
        keys: of the policy.
        make: its environments.
        model: the global parameters, in shared memory.
        first: seed of the first agent's first episode's first replica.
        number: of the agent, from 0.
    """

    def __init__(
        self, keys: Aac, make: MakeEnvironment, model: ActorCritic, first: int, number: int
    ) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self.gradients = [_shared(one) for one in model.parameters()]
        self.connection, theirs = context.Pipe()
        arguments = (keys, make, model, self.gradients, theirs, first, number)
        self._process = context.Process(target=_learn, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def receive(self) -> Update:
        """What the agent sends.

        Raises:
            TrainingError: it failed.
        """
        try:
            told: Update | str = self.connection.recv()
        except EOFError:
            raise TrainingError("a learning agent's process has died") from None
        if isinstance(told, str):
            raise TrainingError(told)
        return told

    def go_on(self) -> None:
        """Let the agent take the new parameters."""
        self.connection.send(None)

    def close(self) -> None:
        """End its process."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _environment(keys: Aac, make: MakeEnvironment) -> Any:
    return make(keys.replicas, keys.episode_slots, keys.limit_weight)


def _shared(like: Tensor) -> Tensor:
    zeros: Tensor = torch.zeros_like(like).share_memory_()  # type: ignore[no-untyped-call]
    return zeros


def _learn(
    keys: Aac,
    make: MakeEnvironment,
    model: ActorCritic,
    gradients: Sequence[Tensor],
    connection: "Connection[Any, Any]",
    first: int,
    number: int,
) -> None:
    """A learning agent's process: works until the global agent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the global agent decides when to stop
    torch.set_num_threads(1)
    stride = keys.workers * keys.replicas
    mine = first + number * keys.replicas
    agent = LearningAgent(keys, _environment(keys, make), mine, mine, stride)
    try:
        while True:
            update = agent.work(model)
            for mail, parameter in zip(gradients, agent.model.parameters(), strict=True):
                mail.copy_(parameter.grad)  # type: ignore[arg-type]
            connection.send(update)
            connection.recv()
    except (EOFError, BrokenPipeError):
        pass
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
        connection.send(f"{type(failure).__name__}: {failure}")
