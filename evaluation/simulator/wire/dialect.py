"""What differs on the wire between the supported versions of the client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class AttributeType(IntEnum):
    """Type of a blueprint attribute, in the order in which every version numbers them."""

    BOOL = 0
    INT = 1
    FLOAT = 2
    STRING = 3
    RGB = 4


@dataclass(frozen=True)
class Dialect:
    """One version of the protocol.

    Attributes:
        version: what the `version` call answers.
        first_attribute_type: number of `AttributeType.BOOL` on the wire.
        world_state_type: sensor type id of the world-state stream.
        spawn_has_socket: whether SpawnActor carries an attachment and a socket name.
        gnss_is_transverse: whether the wheel's own geolocation is the spherical transverse
            Mercator with latitude growing along +y (0.9.16) or the Mercator with latitude falling
            along +y (0.9.15, and the leaderboard's GPS plan).
        has_v2x: whether it knows V2X sensors.
    """

    version: str
    first_attribute_type: int
    world_state_type: int
    spawn_has_socket: bool
    gnss_is_transverse: bool
    has_v2x: bool

    @property
    def cam_type(self) -> int:
        """Sensor type id of V2X events, behind the two kinds of G-buffers; only if `has_v2x`."""
        return self.world_state_type + 3

    @property
    def custom_v2x_type(self) -> int:
        """Sensor type id of events of custom V2X messages; only if `has_v2x`."""
        return self.world_state_type + 4

    @property
    def gbuffer_type(self) -> int:
        """Sensor type id of a G-buffer of bytes: the one after the world's state."""
        return self.world_state_type + 1


DIALECTS = {
    "0.9.15": Dialect(
        "0.9.15", 0, 16, spawn_has_socket=False, gnss_is_transverse=False, has_v2x=False
    ),
    "0.9.16": Dialect(
        "0.9.16", 1, 17, spawn_has_socket=True, gnss_is_transverse=True, has_v2x=True
    ),
}
