"""Evaluation of models on data sets: scores, pictures, predictions. Loads without torch."""

from maskattn_models.evaluation.answers import Predictor, Segmenter, found_segments, labelling
from maskattn_models.evaluation.evaluate import check_classes, evaluate, score_split
from maskattn_models.evaluation.evaluation import Evaluation, percent
from maskattn_models.evaluation.file import evaluate_file
from maskattn_models.evaluation.masks import mask_sheet
from maskattn_models.evaluation.official import official_objects
from maskattn_models.evaluation.pictures import (
    Shown,
    comparison_sheet,
    predicted_sheet,
    prediction_sheet,
    write_sheet,
)
from maskattn_models.evaluation.predictor import OpenedModel, open_predictor
from maskattn_models.evaluation.report import report_json, write_report
from maskattn_models.evaluation.sample import Assignment, ScoredSample
from maskattn_models.evaluation.tables import ScoreTable, score_table
from maskattn_models.evaluation.truth import SampleTruth, TruthSource, open_truth

__all__ = [
    "Assignment",
    "Evaluation",
    "OpenedModel",
    "Predictor",
    "SampleTruth",
    "ScoreTable",
    "ScoredSample",
    "Segmenter",
    "Shown",
    "TruthSource",
    "check_classes",
    "comparison_sheet",
    "evaluate",
    "evaluate_file",
    "found_segments",
    "labelling",
    "mask_sheet",
    "official_objects",
    "open_predictor",
    "open_truth",
    "percent",
    "predicted_sheet",
    "prediction_sheet",
    "report_json",
    "score_split",
    "score_table",
    "write_report",
    "write_sheet",
]
