"""Poses of Synthetic people: a jointed body in three dimensions whose joints rotate within human limits.

The body's frame: x to the person's left, y down, z forward (out of the chest), the pelvis at the origin, the standing height 1.
"""

from __future__ import annotations

import numpy as np

# Lengths relative to the standing height, close to those of an adult (Drillis and Contini, 1966, rounded).
SPINE, NECK, HEAD = 0.285, 0.055, 0.150
HIPS, SHOULDERS = 0.052, 0.108  # half the distance between the two
UPPER_ARM, FOREARM, THIGH, SHIN, FOOT = 0.175, 0.150, 0.240, 0.240, 0.075
HEAD_RADIUS = 0.062

# How far each joint may rotate, in degrees; a kind of pose draws uniformly from its own ranges. Flexion lifts a limb forward.
LIMITS = {
    "spine_flexion": (-20, 60),
    "spine_tilt": (-25, 25),
    "spine_twist": (-35, 35),
    "head_flexion": (-30, 35),
    "head_twist": (-50, 50),
    "shoulder_flexion": (-40, 170),
    "shoulder_abduction": (0, 120),
    "shoulder_twist": (-60, 80),
    "elbow_flexion": (0, 145),
    "hip_flexion": (-25, 115),
    "hip_abduction": (0, 45),
    "hip_twist": (-30, 30),
    "knee_flexion": (0, 140),
}
KINDS: dict[str, dict[str, tuple[float, float]]] = {
    "standing": {
        "spine_flexion": (-5, 8), "spine_tilt": (-6, 6), "spine_twist": (-12, 12), "head_flexion": (-10, 20),
        "shoulder_flexion": (-20, 40), "shoulder_abduction": (4, 25), "shoulder_twist": (-20, 60), "elbow_flexion": (5, 100),
        "hip_flexion": (-8, 15), "hip_abduction": (0, 12), "hip_twist": (-15, 10), "knee_flexion": (0, 15),
    },
    "walking": {
        "spine_flexion": (0, 15), "spine_tilt": (-6, 6), "spine_twist": (-20, 20), "head_flexion": (-10, 15),
        "shoulder_flexion": (-40, 60), "shoulder_abduction": (3, 20), "shoulder_twist": (0, 30), "elbow_flexion": (20, 110),
        "hip_flexion": (-25, 60), "hip_abduction": (0, 8), "hip_twist": (-10, 10), "knee_flexion": (5, 80),
    },
    "sitting": {
        "spine_flexion": (-5, 30), "shoulder_flexion": (0, 70), "shoulder_abduction": (4, 35), "elbow_flexion": (20, 120),
        "hip_flexion": (70, 105), "hip_abduction": (0, 30), "knee_flexion": (60, 110),
    },
    "active": {
        "shoulder_abduction": (0, 100), "hip_flexion": (-25, 100), "knee_flexion": (0, 110), "elbow_flexion": (0, 120),
        "spine_flexion": (-20, 40),
    },
}  # fmt: skip
SHARES = {"standing": 0.3, "walking": 0.25, "sitting": 0.12, "active": 0.33}


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Compute the rotation about z, then x, then y, in degrees, ``[3, 3]``; a positive x lifts a hanging limb forward."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(np.radians([x, y, z])), np.cos(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def draw_pose(random: np.random.Generator) -> dict[str, float]:
    """Draw a pose as angles in degrees, within ``LIMITS``; limbs have one for each side, as ``left_elbow_flexion``."""
    kind = str(random.choice(list(SHARES), p=list(SHARES.values())))
    ranges = LIMITS | KINDS[kind]
    angles = {}
    for name, (low, high) in ranges.items():
        limb = name.startswith(("shoulder", "elbow", "hip", "knee"))
        for side in ("left_", "right_") if limb else ("",):
            angles[side + name] = float(random.uniform(low, high))
    if kind == "walking":  # arms swing against the legs
        for side, opposite in (("left_", "right_"), ("right_", "left_")):
            low, high = ranges["hip_flexion"]
            forward = (angles[opposite + "hip_flexion"] - low) / (high - low)
            low, high = ranges["shoulder_flexion"]
            angles[side + "shoulder_flexion"] = low + forward * (high - low)
    return angles


def place_joints(angles: dict[str, float]) -> dict[str, np.ndarray]:
    """Compute the joints of a body of height 1 in its own frame, ``[3]`` each, by MPII's and COCO's names.

    Three more are ``left_toe``, ``right_toe``, and ``head``, the centre of the head.
    """
    down, up = np.array([0.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0])
    # Flexion bends the spine forward: the torso points up, so it rotates the opposite way to the limbs, which hang down.
    torso = rotation(x=-angles["spine_flexion"], y=angles["spine_twist"], z=angles["spine_tilt"])
    at: dict[str, np.ndarray] = {"pelvis": np.zeros(3)}
    at["thorax"] = torso @ up * SPINE
    at["upper_neck"] = at["thorax"] + torso @ up * NECK
    head = torso @ rotation(x=-angles["head_flexion"], y=angles["head_twist"])
    at["head_top"] = at["upper_neck"] + head @ up * HEAD
    at["head"] = at["upper_neck"] + head @ np.array([0.0, -0.55 * HEAD, 0.012])
    face = {"nose": (0, 0.012, 1.12), "eye": (0.42, -0.16, 0.86), "ear": (0.92, 0.0, 0.0)}
    for part, offset in face.items():
        for side, sign in (("left_", 1), ("right_", -1)):
            at[part if part == "nose" else side + part] = at["head"] + head @ (np.array(offset) * (sign, 1, 1)) * HEAD_RADIUS
    for side, sign in (("left_", 1), ("right_", -1)):
        angle = {name: angles[side + name] for name in LIMITS if side + name in angles}
        # Abduction moves a limb away from the body, hence to the person's left or right.
        arm = torso @ rotation(x=angle["shoulder_flexion"]) @ rotation(z=-sign * angle["shoulder_abduction"])
        arm = arm @ rotation(y=-sign * angle["shoulder_twist"])
        at[side + "shoulder"] = at["thorax"] + torso @ np.array([sign * SHOULDERS, 0.012, 0])
        at[side + "elbow"] = at[side + "shoulder"] + arm @ down * UPPER_ARM
        at[side + "wrist"] = at[side + "elbow"] + arm @ rotation(x=angle["elbow_flexion"]) @ down * FOREARM
        leg = (
            rotation(x=angle["hip_flexion"])
            @ rotation(z=-sign * angle["hip_abduction"])
            @ rotation(y=-sign * angle["hip_twist"])
        )
        shin = leg @ rotation(x=-angle["knee_flexion"])
        at[side + "hip"] = np.array([sign * HIPS, 0.0, 0.0])
        at[side + "knee"] = at[side + "hip"] + leg @ down * THIGH
        at[side + "ankle"] = at[side + "knee"] + shin @ down * SHIN
        at[side + "toe"] = at[side + "ankle"] + shin @ np.array([0.0, 0.35, 0.94]) * FOOT
    return at


def draw_camera(random: np.random.Generator) -> np.ndarray:
    """Draw the rotation of the camera, ``[3, 3]``: from any side but more often the front, and of people mostly upright."""
    yaw = random.uniform(-180, 180) if random.random() < 0.4 else random.normal(0, 40)
    roll = random.uniform(-100, 100) if random.random() < 0.07 else random.normal(0, 6)
    return rotation(z=roll) @ rotation(x=random.normal(-4, 6)) @ rotation(y=yaw)
