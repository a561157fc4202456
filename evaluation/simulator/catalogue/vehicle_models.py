"""The vehicles that can be spawned: names as in CARLA, sizes of the real models.

Only names and plain measures; nothing here is read from CARLA's assets. The sizes were taken from
the makers' published lengths, widths and heights, rounded to centimetres.
"""

from __future__ import annotations

from typing import NamedTuple


class VehicleModel(NamedTuple):
    """One vehicle blueprint.

    Attributes:
        name: the id without `vehicle.`.
        base_type: car, van, truck, bus, motorcycle or bicycle.
        generation: 1 or 2, CARLA's generations of assets.
        size_m: length, width and height over all.
        special_type: "", emergency, taxi or electric.
        colours: paints as "r,g,b"; empty where the paint cannot be chosen.
        has_dynamic_doors: whether scenarios may open its doors.
        steer_share: where the front wheels stand, as a share of the nominal angle; None: as its
            class.
    """

    name: str
    base_type: str
    generation: int
    size_m: tuple[float, float, float]
    special_type: str = ""
    colours: tuple[str, ...] = ()
    has_dynamic_doors: bool = False
    steer_share: float | None = None

    @property
    def wheel_count(self) -> int:
        """Two for motorcycles and bicycles, else four."""
        return 2 if self.base_type in ("motorcycle", "bicycle") else 4

    @property
    def has_lights(self) -> bool:
        """Whether its lights can be switched: everything newer with four wheels."""
        return self.generation == 2 and self.wheel_count == 4

    @property
    def semantic_tag(self) -> int:
        """CARLA's label of the body."""
        return _SEMANTIC_TAGS[self.base_type]


_SEMANTIC_TAGS = {"car": 14, "van": 14, "truck": 15, "bus": 16, "motorcycle": 18, "bicycle": 19}

_PAINTS = ("17,37,103", "180,180,180", "137,0,0", "20,20,20", "220,220,215", "40,84,62")
_TAXI = ("203,155,20",)
_BRIGHT = ("206,25,22", "28,90,190", "240,240,240", "24,24,24")

EGO_MODEL = "lincoln.mkz_2020"

# The bicycle that World on Rails (Chen, Koltun, Kraehenbuehl, ICCV 2021) fitted to CARLA's Lincoln
# turns 0.2777 1/m per unit of steer in towns, less than its nominal 70 degrees would: planners and
# networks rely on it. For other models no fit has been published.
LINCOLN_STEER_SHARE = 0.72

VEHICLE_MODELS = (
    VehicleModel(EGO_MODEL, "car", 2, (4.89, 1.84, 1.49), "", _PAINTS, True, LINCOLN_STEER_SHARE),
    VehicleModel(
        "lincoln.mkz_2017",
        "car",
        1,
        (4.90, 1.86, 1.48),
        "",
        _PAINTS,
        steer_share=LINCOLN_STEER_SHARE,
    ),
    VehicleModel("dodge.charger_2020", "car", 2, (5.01, 1.88, 1.54), "", _PAINTS, True),
    VehicleModel(
        "dodge.charger_police_2020",
        "car",
        2,
        (5.24, 1.92, 1.64),
        "emergency",
        (),
        True,
    ),
    VehicleModel("dodge.charger_police", "car", 1, (4.97, 1.92, 1.55), "emergency"),
    VehicleModel("ford.crown", "car", 2, (5.37, 1.80, 1.58), "taxi", _TAXI, True),
    VehicleModel("ford.mustang", "car", 1, (4.72, 1.90, 1.30), "", _PAINTS),
    VehicleModel("mercedes.coupe_2020", "car", 2, (4.67, 1.82, 1.44), "", _PAINTS, True),
    VehicleModel("mercedes.coupe", "car", 1, (5.03, 1.90, 1.46), "", _PAINTS),
    VehicleModel("mini.cooper_s_2021", "car", 2, (4.55, 1.85, 1.67), "", _PAINTS, True),
    VehicleModel("mini.cooper_s", "car", 1, (3.81, 1.73, 1.42), "", _PAINTS),
    VehicleModel("nissan.patrol_2021", "car", 2, (5.57, 1.99, 2.04), "", _PAINTS, True),
    VehicleModel("nissan.patrol", "car", 1, (4.60, 1.90, 1.86), "", _PAINTS),
    VehicleModel("nissan.micra", "car", 1, (3.63, 1.66, 1.50), "", _PAINTS),
    VehicleModel("audi.a2", "car", 1, (3.71, 1.68, 1.55), "", _PAINTS),
    VehicleModel("audi.etron", "car", 1, (4.86, 1.94, 1.65), "electric", _PAINTS),
    VehicleModel("audi.tt", "car", 1, (4.18, 1.83, 1.38), "", _PAINTS),
    VehicleModel("bmw.grandtourer", "car", 1, (4.61, 1.82, 1.65), "", _PAINTS),
    VehicleModel("chevrolet.impala", "car", 1, (5.36, 1.86, 1.41), "", _PAINTS),
    VehicleModel("citroen.c3", "car", 1, (3.99, 1.75, 1.62), "", _PAINTS),
    VehicleModel("jeep.wrangler_rubicon", "car", 1, (3.87, 1.87, 1.88), "", _PAINTS),
    VehicleModel("micro.microlino", "car", 1, (2.21, 1.48, 1.38), "electric", _BRIGHT),
    VehicleModel("seat.leon", "car", 1, (4.19, 1.80, 1.47), "", _PAINTS),
    VehicleModel("tesla.model3", "car", 1, (4.79, 1.85, 1.49), "electric", _PAINTS),
    VehicleModel("toyota.prius", "car", 1, (4.51, 1.76, 1.53), "", _PAINTS),
    VehicleModel("ford.ambulance", "van", 2, (6.36, 2.35, 2.43), "emergency", (), True),
    VehicleModel("mercedes.sprinter", "van", 2, (5.92, 2.00, 2.56), "", _PAINTS, True),
    VehicleModel("volkswagen.t2_2021", "van", 2, (4.44, 1.78, 1.99), "", _BRIGHT, True),
    VehicleModel("volkswagen.t2", "van", 1, (4.48, 1.80, 2.04), "", _BRIGHT),
    VehicleModel("tesla.cybertruck", "truck", 1, (5.88, 2.20, 1.90), "electric"),
    VehicleModel("carlamotors.carlacola", "truck", 1, (5.20, 2.41, 2.47), "", _BRIGHT),
    VehicleModel("carlamotors.european_hgv", "truck", 2, (7.94, 2.50, 3.47), "", _BRIGHT),
    VehicleModel("carlamotors.firetruck", "truck", 2, (8.47, 2.50, 3.30), "emergency"),
    VehicleModel("mitsubishi.fusorosa", "bus", 2, (8.00, 2.30, 3.00), "", _BRIGHT),
    VehicleModel("harley-davidson.low_rider", "motorcycle", 1, (2.36, 0.77, 1.62), "", _BRIGHT),
    VehicleModel("kawasaki.ninja", "motorcycle", 1, (2.03, 0.77, 1.60), "", _BRIGHT),
    VehicleModel("vespa.zx125", "motorcycle", 1, (1.80, 0.74, 1.60), "", _BRIGHT),
    VehicleModel("yamaha.yzf", "motorcycle", 1, (2.20, 0.77, 1.60), "", _BRIGHT),
    VehicleModel("bh.crossbike", "bicycle", 1, (1.70, 0.62, 1.75), "", _BRIGHT),
    VehicleModel("diamondback.century", "bicycle", 1, (1.65, 0.50, 1.70), "", _BRIGHT),
    VehicleModel("gazelle.omafiets", "bicycle", 1, (1.84, 0.58, 1.80), "", _BRIGHT),
)
