"""The real client asks for bones: of walkers, which it may pose, and of vehicles: their wheels."""

from __future__ import annotations

import carla
import pytest

from tests.evaluation.simulator.client_session import ClientSession, pose


def bones_of(walker: carla.Walker) -> dict[str, carla.BoneTransformOut]:
    return {bone.name: bone for bone in walker.get_bones().bone_transforms}


def test_a_walker_stands_on_its_feet(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(50.0, 8.0, 1.0, yaw=90.0))
    session.ticks(20)
    bones = bones_of(walker)
    assert len(bones) == 66
    ground_m = walker.get_location().z - walker.bounding_box.extent.z
    head, foot = bones["crl_Head__C"].world.location, bones["crl_toe__R"].world.location
    assert 1.4 < head.z - ground_m < 1.8
    assert 0.0 <= foot.z - ground_m < 0.1
    # It looks along +y: its right hand is on the side of -x.
    assert (
        bones["crl_hand__R"].world.location.x < 49.9 < bones["crl_hand__L"].world.location.x - 0.1
    )
    hips = bones["crl_hips__C"]
    assert hips.relative.location.z == pytest.approx(hips.component.location.z)


def test_a_pose_is_blended_in(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(50.0, 8.0, 1.0))
    session.ticks(2)
    before = bones_of(walker)
    raised = carla.Transform(carla.Location(z=0.3))
    control = carla.WalkerBoneControlIn([("crl_foreArm__R", raised), ("tail", raised)])
    walker.set_bones(control)
    hands = []
    for share in (0.0, 0.5, 1.0):
        walker.blend_pose(share)
        session.world.tick()
        hands.append(bones_of(walker)["crl_hand__R"].component.location.z)
    assert hands[0] == pytest.approx(before["crl_hand__R"].component.location.z)
    scale = walker.bounding_box.extent.z / 0.9
    assert hands[2] - hands[0] == pytest.approx(0.3 + 0.28 * scale, abs=1e-4)
    assert hands[1] == pytest.approx(0.5 * (hands[0] + hands[2]), abs=1e-4)
    walker.get_pose_from_animation()
    session.world.tick()
    assert bones_of(walker)["crl_hand__R"].component.location.z == pytest.approx(hands[2])


def test_wheels_of_a_vehicle(session: ClientSession) -> None:
    car = session.spawn("vehicle.audi.tt", pose(50.0, 1.75))
    car.apply_control(carla.VehicleControl(steer=1.0))
    session.ticks(20)
    assert car.get_bone_names()[1] == "Wheel_Front_Left"
    base, *wheels = car.get_vehicle_bone_world_transforms()
    assert base.location.distance(car.get_location()) < 1e-3
    shown = [wheel.position * 0.01 for wheel in car.get_physics_control().wheels]
    for wheel, place in zip(wheels, shown, strict=True):
        assert wheel.location.distance(carla.Location(place.x, place.y, place.z)) < 1e-3
    assert wheels[0].rotation.yaw == pytest.approx(
        car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel), abs=0.1
    )
    assert wheels[2].rotation.yaw == pytest.approx(0.0, abs=0.1)


def test_bones_are_told_in_the_axes_of_the_mesh(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(50.0, 8.0, 1.0, yaw=90.0))
    session.ticks(2)
    told = dict(zip(walker.get_bone_names(), walker.get_bone_relative_transforms(), strict=True))
    for name, bone in bones_of(walker).items():
        assert told[name].location.distance(bone.component.location) < 1e-4


def test_sockets_are_bones(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(50.0, 8.0, 1.0, yaw=90.0))
    session.ticks(2)
    names = walker.get_socket_names()
    assert names == walker.get_bone_names()
    foot = names.index("crl_toe__R")
    here = walker.get_location()
    world = walker.get_socket_world_transforms()[foot].location
    mine = walker.get_socket_relative_transforms()[foot].location
    # It looks along +y: forward is y, right is -x.
    assert mine.x == pytest.approx(world.y - here.y, abs=1e-4)
    assert mine.y == pytest.approx(here.x - world.x, abs=1e-4)
    assert mine.z == pytest.approx(world.z - here.z, abs=1e-4)
    prop = session.spawn("static.prop.box01", pose(54.0, 8.0))
    session.world.tick()
    assert prop.get_socket_names() == prop.get_component_names() == []


def test_components_of_walkers_and_vehicles(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(50.0, 8.0, 1.0))
    car = session.spawn("vehicle.audi.tt", pose(60.0, 1.75, yaw=90.0))
    session.ticks(2)
    assert walker.get_component_names() == ["CollisionCylinder", "CharacterMesh0"]
    feet_m = walker.get_component_relative_transform("CharacterMesh0").location.z
    assert feet_m == pytest.approx(-walker.bounding_box.extent.z)
    root = car.get_component_relative_transform("VehicleMesh")
    assert root.location.distance(car.get_location()) < 1e-3
    # At the front, on the right: ahead is +y, the right is -x.
    half, place = car.bounding_box.extent, car.get_location()
    blinker = car.get_component_world_transform("front-blinker-r-1")
    assert blinker.location.y == pytest.approx(place.y + half.x, abs=0.05)
    assert blinker.location.x == pytest.approx(place.x - 0.86 * half.y, abs=0.05)
    assert blinker.location.z == pytest.approx(place.z + half.z, abs=0.05)
    back = car.get_component_world_transform("back-blinker-r-1")
    assert back.location.distance(blinker.location) == pytest.approx(2.0 * half.x, abs=0.05)
    assert abs(back.rotation.yaw) == pytest.approx(90.0, abs=0.5)
    with pytest.raises(RuntimeError, match="has no component 'horn'; it has: VehicleMesh"):
        car.get_component_world_transform("horn")


def test_what_has_no_bones_is_refused(session: ClientSession) -> None:
    prop = session.spawn("static.prop.box01", pose(50.0, 8.0))
    session.world.tick()
    with pytest.raises(RuntimeError, match="has no bones"):
        prop.get_bone_names()
