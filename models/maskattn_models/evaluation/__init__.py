"""Evaluation of models on data sets: scores and pictures. Loads without torch."""

from maskattn_models.evaluation.evaluate import check_classes, evaluate
from maskattn_models.evaluation.evaluation import Evaluation, percent, write_report
from maskattn_models.evaluation.file import evaluate_file
from maskattn_models.evaluation.masks import mask_sheet
from maskattn_models.evaluation.pictures import predicted_sheet, prediction_sheet, write_sheet
from maskattn_models.evaluation.predictor import OpenedModel, Predictor, open_predictor

__all__ = [
    "Evaluation",
    "OpenedModel",
    "Predictor",
    "check_classes",
    "evaluate",
    "evaluate_file",
    "mask_sheet",
    "open_predictor",
    "percent",
    "predicted_sheet",
    "prediction_sheet",
    "write_report",
    "write_sheet",
]
