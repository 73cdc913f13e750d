import { labelEncoder, oneHotEncoder } from "./category-operators.ts";
import { coreOperators, featureExtractor } from "./core-operators.ts";
import {
  gemm,
  imputer,
  linearClassifier,
  linearRegressor,
  matMul,
  normalizer,
  scaler,
} from "./linear-operators.ts";
import type { Operator } from "./operator.ts";
import { treeClassifier, treeRegressor } from "./tree-operators.ts";

/** Every operator that is computed here, by the name that its nodes bear. */
export const operators: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    ...coreOperators,
    Gemm: gemm,
    MatMul: matMul,
    "ai.onnx.ml.ArrayFeatureExtractor": featureExtractor,
    "ai.onnx.ml.Imputer": imputer,
    "ai.onnx.ml.LabelEncoder": labelEncoder,
    "ai.onnx.ml.LinearClassifier": linearClassifier,
    "ai.onnx.ml.LinearRegressor": linearRegressor,
    "ai.onnx.ml.Normalizer": normalizer,
    "ai.onnx.ml.OneHotEncoder": oneHotEncoder,
    "ai.onnx.ml.Scaler": scaler,
    "ai.onnx.ml.TreeEnsembleClassifier": treeClassifier,
    "ai.onnx.ml.TreeEnsembleRegressor": treeRegressor,
  }),
);
