// Package api is the contract of the scGPT agent: the definitions of its
// workflows and activities, their requests and responses, and a [Client].
//
// It is what another service imports to use the agent; it compiles nothing of
// the model. The types' JSON is the wire format, in snake_case, so that a
// client in any language and `temporal workflow start --input` can use it:
//
//	temporal workflow start --task-queue scgpt-tasks --type ScGPTAnalysisWorkflow \
//	    --input '{"expression_data": "cells.h5ad"}'
//
// Files travel as paths, which the worker opens; results are small summaries
// and the paths of the files that hold the rest.
package api
