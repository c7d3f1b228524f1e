"""Runs the graph on this machine, node by node, with TFX's own launcher."""

import filecmp
import os
import random
import time
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2
from tfx.utils import path_utils

from components.errors import MarqueeError
from pipeline.config import Config
from pipeline.dag import RunInputs, create_components
from pipeline.interrupts import Interrupts
from pipeline.layout import OutputLayout
from pipeline.progress_display import ProgressDisplay

CANDIDATE_NODE = "ServableBuilder"
BASELINE_NODE = "BaselineResolver"
PUSHER_NODE = "Pusher"


class LocalRunner:
    """Runs one pipeline over one output folder."""

    def __init__(
        self, config: Config, run: RunInputs, layout: OutputLayout, last_node: str | None = None
    ):
        """Compiles the graph.

        Args:
            config: the configuration.
            run: what is special about this run.
            layout: of the output folder.
            last_node: the component to end with; None runs them all.
        """
        components = create_components(config, run)
        if last_node is not None:
            components = components[: 1 + [node.id for node in components].index(last_node)]
        self._layout = layout
        self._seed = config.seed
        self._candidate: str | None = None
        layout.root.mkdir(parents=True, exist_ok=True)
        self._connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(layout.metadata)
        )
        pipeline = tfx.dsl.Pipeline(
            pipeline_name=config.name,
            pipeline_root=str(layout.artifacts),
            components=components,
            metadata_connection_config=self._connection,
            beam_pipeline_args=list(config.beam.args),
            enable_cache=True,
        )
        self._ir: pipeline_pb2.Pipeline = compiler.Compiler().compile(pipeline)
        runtime_parameter_utils.substitute_runtime_parameter(
            self._ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run.run_id}
        )

    @property
    def node_count(self) -> int:
        """Number of components."""
        return len(self._ir.nodes)

    def run(self, display: ProgressDisplay, interrupts: Interrupts) -> None:
        """Runs all components in order.

        Args:
            display: shows them.
            interrupts: looked at before each of them.

        Raises:
            KeyboardInterrupt: if a person stopped the run.
            Exception: whatever a component raises.
        """
        deployment = runner_utils.extract_local_deployment_config(self._ir)
        for node in self._ir.nodes:
            interrupts.raise_if_asked()
            # Beam reshuffles by Python's generator: sums of floats then come in the same order.
            random.seed(self._seed)
            pipeline_node = node.pipeline_node
            node_id = pipeline_node.node_info.id
            if node_id == BASELINE_NODE and not self._candidate_is_served():
                # The cache knows the candidate, but not what has been pushed since it last saw it.
                pipeline_node.execution_options.caching_options.enable_cache = False
            if node_id == PUSHER_NODE:
                check_clock(self._layout)
            with display.component(node_id) as timing:
                execution = launcher.Launcher(
                    pipeline_node=pipeline_node,
                    mlmd_connection=metadata.Metadata(self._connection),
                    pipeline_info=self._ir.pipeline_info,
                    pipeline_runtime_spec=self._ir.runtime_spec,
                    executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
                    custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
                ).launch()
                # Only an execution that really runs is given a folder for temporary files.
                timing.cached = execution is None or not execution.tmp_dir
                if node_id == CANDIDATE_NODE and execution is not None:
                    self._candidate = self._model_uri(execution.execution_id)

    def _model_uri(self, execution_id: int) -> str:
        with metadata.Metadata(self._connection) as handle:
            events = handle.store.get_events_by_execution_ids([execution_id])
            ids = [e.artifact_id for e in events if e.type == metadata_store_pb2.Event.OUTPUT]
            artifacts = handle.store.get_artifacts_by_id(ids)
            types = {t.id: t.name for t in handle.store.get_artifact_types()}
        return next(a.uri for a in artifacts if types[a.type_id] == "Model")

    def _candidate_is_served(self) -> bool:
        versions = self._layout.versions()
        if not versions or self._candidate is None:
            return False
        served = self._layout.serving / str(versions[-1])
        return same_files(served, Path(path_utils.serving_model_path(self._candidate)))


def check_clock(layout: OutputLayout) -> None:
    """Makes sure that the next version will be the newest.

    TFX's Pusher numbers versions by the clock, and servers take the largest number.

    Args:
        layout: of the output folder.

    Raises:
        MarqueeError: if a pushed version is newer than now.
    """
    versions, now = layout.versions(), int(time.time())
    if versions and versions[-1] > now:
        raise MarqueeError(
            f"the version {versions[-1]} in {layout.serving} must be older than now, {now} seconds "
            "since 1970. Set the clock right, or remove that version."
        )
    if versions and versions[-1] == now:
        time.sleep(1.0)


def same_files(left: Path, right: Path) -> bool:
    """Tells whether two folders hold the same files with the same content."""
    names = [
        {
            os.path.relpath(os.path.join(folder, file), root)
            for folder, _, files in os.walk(root)
            for file in files
        }
        for root in (left, right)
    ]
    if names[0] != names[1]:
        return False
    _, different, unreadable = filecmp.cmpfiles(left, right, names[0], shallow=False)
    return not different and not unreadable
