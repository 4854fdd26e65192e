package api

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// Search attributes of workflows whose request asks for them: they must exist in
// the namespace, or the workflow stays in its first task. [Client.AddSearchAttributes]
// makes them, or
//
//	temporal operator search-attribute create --name TroupePhase --type Keyword \
//	    --name TroupeModel --type Keyword --name TroupeCells --type Int
var (
	PhaseAttribute = temporal.NewSearchAttributeKeyKeyword("TroupePhase")
	ModelAttribute = temporal.NewSearchAttributeKeyKeyword("TroupeModel")
	CellsAttribute = temporal.NewSearchAttributeKeyInt64("TroupeCells")
)

// AddSearchAttributes makes the search attributes in the client's namespace, where
// they are missing. It needs the right to change the namespace.
func (c *Client) AddSearchAttributes(ctx context.Context) error {
	wanted := map[string]enumspb.IndexedValueType{
		PhaseAttribute.GetName(): PhaseAttribute.GetValueType(),
		ModelAttribute.GetName(): ModelAttribute.GetValueType(),
		CellsAttribute.GetName(): CellsAttribute.GetValueType(),
	}
	_, err := c.temporal.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: c.namespace, SearchAttributes: wanted,
	})
	var there *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("make the search attributes: %w", err)
	}
	return nil
}
